import { ChunkCache } from './cache.js';
import { configurations } from './configurations.js';
import { Http } from './http.js';
import { openWeights } from './weights.js';

/** Reads in progress at the same time. */
const PREFETCH = 3;
/** The length field before a safetensors header. */
const PREFIX_BYTES = 8;

/** Creates the encoder that a request describes. */
export async function loadEncoder(wasm, device, dtype, request, progress) {
  if (request.preset !== undefined) {
    progress.begin('weights');
    return wasm.Encoder.random(device, request.preset, request.seed, dtype);
  }
  progress.begin('config');
  const http = new Http(request);
  const { config, processor, preprocessor, videoPreprocessor, replaced, base } = await configurations(request, http);
  progress.begin('weights');
  const loader = new wasm.Loader(device, dtype, config, processor, preprocessor, videoPreprocessor, replaced);
  const web = { http, cache: await ChunkCache.open(request.cache) };
  try {
    const shardsOf = (text, name) => loader.shards(text, name);
    const files = await openWeights({ ...request, base }, web, shardsOf);
    await fill(wasm, loader, files, progress);
    files.forEach((file) => file.cancel?.());
  } catch (error) {
    // After a panic the module's memory is in an undefined state, so nothing in it may be freed.
    if (!(error instanceof WebAssembly.RuntimeError)) {
      loader.free();
    }
    throw error;
  }
  return loader.finish();
}

/** Reads the tower's bytes from `files` and writes them into `loader`. */
export async function fill(wasm, loader, files, progress) {
  const headers = await Promise.all(files.map((file) => headerOf(wasm, file)));
  files.forEach((file, index) => loader.addFile(file.name, headers[index], file.length ?? lengthFrom(headers[index])));
  const chunks = loader.chunks();
  progress.expect(bytesToRead(files, headers, chunks));
  const count = (bytes) => progress.add(bytes);
  const reads = chunks.map(({ file, start, end }) => () => files[file].read(start, end, count));
  let index = 0;
  for await (const bytes of prefetched(reads)) {
    loader.write(chunks[index].file, chunks[index].start, bytes);
    index++;
  }
}

/** The length field and the header of a safetensors file. */
async function headerOf(wasm, file) {
  if (file.length < PREFIX_BYTES) {
    throw new Error(`${file.name}: expected a safetensors file, found ${file.length} bytes; copy or download the file again`);
  }
  const prefix = await file.read(0, PREFIX_BYTES);
  const length = wasm.Loader.headerLength(prefix, file.length ?? Number.MAX_SAFE_INTEGER, file.name);
  const header = new Uint8Array(length);
  header.set(prefix);
  header.set(await file.read(PREFIX_BYTES, length), PREFIX_BYTES);
  return header;
}

/** The length of a file whose server does not send it, computed from the file's header. */
function lengthFrom(header) {
  try {
    const { __metadata__, ...tensors } = JSON.parse(new TextDecoder().decode(header.subarray(PREFIX_BYTES)));
    const ends = Object.values(tensors).map(({ data_offsets }) => data_offsets[1]);
    return header.length + ends.reduce((longest, end) => Math.max(longest, end), 0);
  } catch {
    // The loader reports what is wrong with the header.
    return header.length;
  }
}

/** Bytes that will be read. A sequential file is read up to its last chunk, gaps included. */
function bytesToRead(files, headers, chunks) {
  const perFile = files.map((file, index) => {
    const chunksOf = chunks.filter((chunk) => chunk.file === index);
    return file.sequential
      ? Math.max(0, ...chunksOf.map(({ end }) => end - headers[index].length))
      : chunksOf.reduce((sum, { start, end }) => sum + end - start, 0);
  });
  return perFile.reduce((sum, bytes) => sum + bytes, 0);
}

/** The results of the tasks, in order. Up to `PREFETCH` tasks run at the same time. */
async function* prefetched(tasks) {
  const started = [];
  let next = 0;
  for (let index = 0; index < tasks.length; index++) {
    while (next < tasks.length && next < index + PREFETCH) {
      const result = tasks[next++]();
      // The error of a later task is thrown when its result is awaited.
      result.catch(() => {});
      started.push(result);
    }
    yield await started.shift();
  }
}
