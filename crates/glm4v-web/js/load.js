import { ChunkCache } from './cache.js';
import { configurations } from './configurations.js';
import { Http } from './http.js';
import { openWeights } from './weights.js';

/** Requests under way at once. */
const AHEAD = 3;
/** The length before a safetensors header. */
const PREFIX_BYTES = 8;

/** The encoder that a request asks for. */
export async function encoderOf(wasm, device, dtype, request, progress) {
  if (request.preset !== undefined) {
    progress.begin('weights');
    return wasm.Encoder.random(device, request.preset, request.seed, dtype);
  }
  progress.begin('config');
  const http = new Http(request);
  const { config, preprocessor, videoPreprocessor, base } = await configurations(request, http);
  progress.begin('weights');
  const loader = new wasm.Loader(device, dtype, config, preprocessor, videoPreprocessor);
  const web = { http, cache: await ChunkCache.open(request.cache) };
  try {
    const shardsOf = (text, name) => loader.index(text, name);
    const files = await openWeights({ ...request, base }, web, shardsOf);
    await fill(wasm, loader, files, progress);
    files.forEach((file) => file.cancel?.());
  } catch (error) {
    // A panic has left the module in a state in which nothing can be freed.
    if (!(error instanceof WebAssembly.RuntimeError)) {
      loader.free();
    }
    throw error;
  }
  return loader.finish();
}

export async function fill(wasm, loader, files, progress) {
  const heads = await Promise.all(files.map((file) => headOf(wasm, file)));
  files.forEach((file, index) => loader.header(file.name, heads[index], file.length ?? lengthFrom(heads[index])));
  const { chunks } = loader.plan();
  progress.expect(bytesToRead(files, heads, chunks));
  const count = (bytes) => progress.add(bytes);
  const reads = chunks.map(({ file, start, end }) => () => files[file].read(start, end, count));
  let index = 0;
  for await (const bytes of ahead(reads)) {
    loader.write(chunks[index].file, chunks[index].start, bytes);
    index++;
  }
}

/** The length and the header of a safetensors file. */
async function headOf(wasm, file) {
  if (file.length < PREFIX_BYTES) {
    throw new Error(`${file.name}: expected a safetensors file, found ${file.length} bytes; is the file whole?`);
  }
  const prefix = await file.read(0, PREFIX_BYTES);
  const length = wasm.Loader.headerLength(prefix, file.length ?? Number.MAX_SAFE_INTEGER, file.name);
  const head = new Uint8Array(length);
  head.set(prefix);
  head.set(await file.read(PREFIX_BYTES, length), PREFIX_BYTES);
  return head;
}

/** Where nobody says how long a file is, its own header does. */
function lengthFrom(head) {
  try {
    const { __metadata__, ...tensors } = JSON.parse(new TextDecoder().decode(head.subarray(PREFIX_BYTES)));
    const ends = Object.values(tensors).map(({ data_offsets }) => data_offsets[1]);
    return head.length + ends.reduce((longest, end) => Math.max(longest, end), 0);
  } catch {
    // The loader says what is wrong with it.
    return head.length;
  }
}

/** What a sequential file skips passes through as well. */
function bytesToRead(files, heads, chunks) {
  const own = files.map((file, index) => {
    const chunksOf = chunks.filter((chunk) => chunk.file === index);
    return file.sequential
      ? Math.max(0, ...chunksOf.map(({ end }) => end - heads[index].length))
      : chunksOf.reduce((sum, { start, end }) => sum + end - start, 0);
  });
  return own.reduce((sum, bytes) => sum + bytes, 0);
}

/** What the tasks give, in order, with the next ones already begun. */
async function* ahead(tasks) {
  const begun = [];
  let next = 0;
  for (let index = 0; index < tasks.length; index++) {
    while (next < tasks.length && next < index + AHEAD) {
      const result = tasks[next++]();
      // An error of a later task is told when its turn comes, if it comes.
      result.catch(() => {});
      begun.push(result);
    }
    yield await begun.shift();
  }
}
