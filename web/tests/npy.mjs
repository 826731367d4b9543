import { readFile } from 'node:fs/promises';

/** Reads an f32 array from a file in NumPy's .npy format 1.0. */
export async function readNpy(path) {
  const bytes = await readFile(path);
  const magic = bytes.subarray(0, 8).toString('latin1');
  if (magic !== '\x93NUMPY\x01\x00') {
    throw new Error(`${path}: expected an .npy file of version 1.0, found ${JSON.stringify(magic)}`);
  }
  const begin = 10 + bytes.readUInt16LE(8);
  const header = bytes.subarray(10, begin).toString('latin1');
  const found = /^\{'descr': '<f4', 'fortran_order': False, 'shape': \(([\d, ]+)\), \} *\n$/.exec(header);
  if (!found || begin % 64 !== 0) {
    throw new Error(`${path}: expected f32 in C order, found ${header}`);
  }
  const shape = found[1].split(',').filter((side) => side.trim()).map(Number);
  const values = new Float32Array(Uint8Array.from(bytes.subarray(begin)).buffer);
  if (values.length !== shape.reduce((product, side) => product * side, 1)) {
    throw new Error(`${path}: expected ${shape.join(' × ')} values, found ${values.length}`);
  }
  return { shape, values };
}
