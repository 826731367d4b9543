const NPY_ALIGNMENT = 64;
const SAFETENSORS_ALIGNMENT = 8;

/** An f32 array as NumPy's format 1.0. */
export function npy(values, shape) {
  const dict = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.map((side) => `${side},`).join(' ')}), }`;
  const magic = Uint8Array.of(0x93, ...ascii('NUMPY'), 1, 0);
  const length = aligned(magic.length + 2 + dict.length + 1, NPY_ALIGNMENT) - magic.length - 2;
  const header = ascii(`${dict.padEnd(length - 1)}\n`);
  return new Blob([magic, Uint8Array.of(length & 255, length >> 8), header, values]);
}

/** Embeddings with their grids as safetensors; `metadata` is of strings. */
export function safetensors({ embeddings, shape, gridThw }, metadata) {
  // The wider type first, as the format's own writers do, so that each begins at a multiple of its size.
  const grids = BigInt64Array.from(gridThw.flat(), BigInt);
  const middle = grids.byteLength;
  const json = JSON.stringify({
    __metadata__: metadata,
    grid_thw: { dtype: 'I64', shape: [gridThw.length, 3], data_offsets: [0, middle] },
    embeddings: { dtype: 'F32', shape, data_offsets: [middle, middle + embeddings.byteLength] },
  });
  const text = new TextEncoder().encode(json);
  const header = new Uint8Array(aligned(text.length, SAFETENSORS_ALIGNMENT)).fill(0x20);
  header.set(text);
  return new Blob([BigUint64Array.of(BigInt(header.length)), header, grids, embeddings]);
}

/** Hands a file to the user. */
export function download(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // The browser has to have begun to read it.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** What a picture's embeddings are called: by the picture, and its grid. */
export function fileName(picture, [[t, h, w]], ending) {
  const stem = picture.replace(/\.[^.]*$/, '').replace(/[^\p{L}\p{N}._-]+/gu, '-') || 'picture';
  return `${stem}-${t}x${h}x${w}.${ending}`;
}

function aligned(length, alignment) {
  return Math.ceil(length / alignment) * alignment;
}

function ascii(text) {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
