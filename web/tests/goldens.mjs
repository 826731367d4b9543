import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { readSafetensors } from './safetensors.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
/** The reference values. Each case is a directory with a checkpoint, `inputs.json` and `expected.safetensors`. */
export const GOLDENS = process.env.GLM4V_GOLDENS ?? join(HERE, '../../tests/golden');

/**
 * The cases that a page can encode: inputs are names of images, or the numbers of a synthetic video. Left out are video
 * files, which need a decoder, and videos with a separate duration, for which the JavaScript API has no argument.
 */
export async function cases() {
  const entries = await readdir(GOLDENS, { withFileTypes: true });
  const found = await Promise.all(entries.filter((entry) => entry.isDirectory()).map(({ name }) => read(name)));
  return found.filter(({ inputs }) => inputs.every((input) => typeof input === 'string' || input.duration === null));
}

async function read(name) {
  const file = (part) => readFile(join(GOLDENS, name, part));
  const inputs = JSON.parse(await file('inputs.json'));
  const { merger, grid_thw } = readSafetensors(await file('expected.safetensors'));
  const grids = [...new BigInt64Array(grid_thw.bytes.buffer)].map(Number);
  return {
    name,
    inputs,
    shape: merger.shape,
    embeddings: new Float32Array(merger.bytes.buffer),
    gridThw: Array.from({ length: grids.length / 3 }, (_, index) => grids.slice(3 * index, 3 * index + 3)),
  };
}
