import init, * as wasm from './glm4v_web.js';
import { openDevice } from './device.js';
import { encoderOf } from './load.js';
import { failureOf, rememberPanics } from './failure.js';
import { shown } from './http.js';
import { isJpeg } from './jpeg.js';
import { fetchModule } from './module.js';
import { fileBytes, frameReader, pixelsOfFile, rgbaOf } from './pixels.js';
import { Progress } from './progress.js';

let encoder = null;
/** One call after the other, in the order in which they came. */
let queue = Promise.resolve();

const methods = { create, encodeImages, encodeFrames, plan, colours };

rememberPanics();
self.onmessage = ({ data }) => {
  queue = queue.then(() => answer(data));
};
// A panic leaves the promise that was awaited pending for ever, and shows itself only here.
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
  encoder = await encoderOf(wasm, device, dtype, request, progress);
  progress.begin('ready');
  const { kind, name, f16, maxBufferSize, maxBinding } = device;
  return {
    device: { kind, name, f16, maxBufferSize, maxBinding, fallback },
    dtype,
    config: JSON.parse(encoder.config),
    presets: wasm.presets(),
    version: wasm.version(),
    times: progress.times,
  };
}

async function encodeImages({ images, decode }) {
  const start = performance.now();
  const pictures = await Promise.all(images.map((image) => picture(image, decode)));
  const decoded = performance.now() - start;
  const result = await encoder.encodeImages(pictures).catch((error) => {
    throw images.length === 1 ? naming(images[0], error) : error;
  });
  return { ...result, times: { ...result.times, decode: result.times.decode + decoded } };
}

/** What the module decodes, or what is decoded already. */
async function picture({ pixels, ...file }, decode) {
  if (pixels) {
    return rgbaOf(pixels);
  }
  if (decode === 'browser') {
    return pixelsOfFile(file);
  }
  const bytes = await fileBytes(file);
  // A damaged one is the module's too: its message says what is wrong.
  return decode === 'auto' && isJpeg(bytes) ? pixelsOfFile({ bytes }).catch(() => bytes) : bytes;
}

/** The module knows bytes only; whoever reads the error knows a file. */
function naming({ blob, url }, error) {
  const name = blob?.name ?? (url && shown(url));
  return name && !(error instanceof WebAssembly.RuntimeError)
    ? new Error(`${name}: ${error.message}`, { cause: error })
    : error;
}

async function encodeFrames({ frames, fps }) {
  const sources = frames.map(({ pixels }) => pixels);
  const { width, height, read } = frameReader(sources);
  const result = await encoder.encodeFrames(frames.length, fps, width, height, read);
  sources.forEach((source) => source.close?.());
  return result;
}

function plan({ width, height }) {
  return encoder.plan(width, height);
}

function colours({ embeddings, width }) {
  return wasm.colours(embeddings, width);
}
