const NPY_ALIGNMENT = 64;
const SAFETENSORS_ALIGNMENT = 8;

/** An f32 array in NumPy's .npy format 1.0. */
export function npy(values, shape) {
  const dict = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.map((side) => `${side},`).join(' ')}), }`;
  const magic = Uint8Array.of(0x93, ...ascii('NUMPY'), 1, 0);
  const length = aligned(magic.length + 2 + dict.length + 1, NPY_ALIGNMENT) - magic.length - 2;
  const header = ascii(`${dict.padEnd(length - 1)}\n`);
  return new Blob([magic, Uint8Array.of(length & 255, length >> 8), header, values]);
}

/** Embeddings and their grids as a safetensors file. The values of `metadata` are strings. */
export function safetensors({ embeddings, shape, gridThw }, metadata) {
  // The wider type comes first, so that each tensor starts at a multiple of its value size.
  const grids = BigInt64Array.from(gridThw.flat(), BigInt);
  const split = grids.byteLength;
  const json = JSON.stringify({
    __metadata__: metadata,
    grid_thw: { dtype: 'I64', shape: [gridThw.length, 3], data_offsets: [0, split] },
    embeddings: { dtype: 'F32', shape, data_offsets: [split, split + embeddings.byteLength] },
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
  // The browser must have started to read the file before the URL is revoked.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** File name for an image's embeddings, from the image's name and its grid. */
export function fileName(image, [[t, h, w]], extension) {
  const stem = image.replace(/\.[^.]*$/, '').replace(/[^\p{L}\p{N}._-]+/gu, '-') || 'image';
  return `${stem}-${t}x${h}x${w}.${extension}`;
}

function aligned(length, alignment) {
  return Math.ceil(length / alignment) * alignment;
}

function ascii(text) {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
