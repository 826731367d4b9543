import init, * as wasm from './glm4v_web.js';
import { openDevice } from './device.js';
import { failureOf, rememberPanics } from './failure.js';
import { displayUrl } from './http.js';
import { isExactInBrowser } from './jpeg.js';
import { loadEncoder } from './load.js';
import { fetchModule } from './module.js';
import { fileBytes, frameReader, pixelsOfFile, rgbaOf } from './pixels.js';
import { Progress } from './progress.js';

let encoder = null;
/** The end of the last call: calls are answered one after another. */
let queue = Promise.resolve();

const methods = { create, encodeImages, encodeFrames, plan, colors };

rememberPanics();
self.onmessage = ({ data }) => {
  queue = queue.then(() => answer(data));
};
// After a panic the awaited promise never settles. The panic is visible only here.
self.onerror = (message, file, line, column, error) => fail(error ?? message);
self.onunhandledrejection = (event) => {
  event.preventDefault();
  fail(event.reason);
};

async function answer({ id, method, args }) {
  try {
    const value = await methods[method](args, (progress) => self.postMessage({ id, progress }));
    self.postMessage({ id, value }, value?.embeddings ? [value.embeddings.buffer] : []);
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) {
      fail(error);
    } else {
      self.postMessage({ id, error: { name: error?.name ?? 'Error', message: error?.message ?? String(error) } });
    }
  }
}

function fail(error) {
  self.postMessage({ failed: failureOf(error) });
  return true;
}

async function create(request, report) {
  const progress = new Progress(report);
  const { memory } = await init({ module_or_path: await fetchModule(progress) });
  progress.memory = memory;
  progress.begin('device');
  const { device, fallback } = await openDevice(wasm, request.device);
  device.onFailure((message) => fail(new Error(message)));
  const dtype = request.dtype ?? (device.f16 && request.preset === undefined ? 'f16' : 'f32');
  encoder = await loadEncoder(wasm, device, dtype, request, progress);
  progress.begin('ready');
  const { kind, name, f16, maxBufferSize, maxBinding } = device;
  return {
    device: { kind, name, f16, maxBufferSize, maxBinding, fallback },
    dtype,
    config: JSON.parse(encoder.config),
    presets: wasm.presets(),
    imageFormats: wasm.imageFormats(),
    version: wasm.version(),
    times: progress.times,
  };
}

async function encodeImages({ images, decode, budget }) {
  const start = performance.now();
  const names = images.map((image, index) => nameOf(image, images.length === 1 ? 'the image' : `images[${index}]`));
  // Pixels that are given twice are one object here, and can be read once.
  const read = new Map();
  const sourceOnce = (image, index) => {
    const key = image.pixels ?? image;
    read.set(key, read.get(key) ?? sourceOf(image, names[index], decode));
    return read.get(key);
  };
  const sources = await Promise.all(images.map(sourceOnce));
  const decoded = performance.now() - start;
  const result = await encoder.encodeImages(sources, names, budget);
  return { ...result, times: { ...result.times, decode: result.times.decode + decoded } };
}

/** The name of an image in errors. */
function nameOf({ blob, url }, unnamed) {
  return blob?.name ?? (url === undefined ? unnamed : displayUrl(url));
}

/** The bytes of a file, which the module decodes, or pixels. */
async function sourceOf({ pixels, ...file }, name, decode) {
  if (pixels) {
    return rgbaOf(pixels, name);
  }
  const bytes = await fileBytes(file, name);
  if (decode === 'browser') {
    return pixelsOfFile(bytes, name);
  }
  // If the browser refuses a JPEG, the module decodes it: its error says what is wrong with the file.
  return decode === 'auto' && isExactInBrowser(bytes) ? pixelsOfFile(bytes, name).catch(() => bytes) : bytes;
}

async function encodeFrames({ frames, fps, budget }) {
  const sources = frames.map(({ pixels }) => pixels);
  try {
    const { width, height, read } = frameReader(sources);
    return await encoder.encodeFrames(frames.length, fps, width, height, read, budget);
  } finally {
    sources.forEach((source) => source.close?.());
  }
}

function plan({ width, height, budget }) {
  return encoder.plan(width, height, budget);
}

function colors({ embeddings, width }) {
  return wasm.colors(embeddings, width);
}
