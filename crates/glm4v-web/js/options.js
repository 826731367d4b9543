import { portOf } from './stream.js';

const HUB = 'https://huggingface.co';
const HUB_NAME = /^[\w.-]+\/[\w.-]+$/;
const KNOWN = new Set([
  'preset', 'seed', 'model', 'revision', 'hub', 'token', 'config', 'processor', 'preprocessor', 'videoPreprocessor', 'weights',
  'device', 'dtype', 'cache', 'onProgress', 'signal',
]);
/** Options that need a checkpoint. */
const CHECKPOINT = ['model', 'revision', 'hub', 'token', 'config', 'processor', 'preprocessor', 'videoPreprocessor', 'weights'];

/** Checks the options of `Encoder.create` and turns them into a message to the worker. */
export function creation(options = {}) {
  for (const name of Object.keys(options)) {
    if (!KNOWN.has(name)) {
      throw new TypeError(`Encoder.create: unknown option '${name}'; the options are ${[...KNOWN].join(', ')}`);
    }
  }
  checkCombination(options);
  const { onProgress, signal } = options;
  const stream = options.weights instanceof ReadableStream ? portOf(options.weights) : null;
  const request = {
    device: oneOf(options, 'device', ['webgpu', 'wasm']),
    dtype: oneOf(options, 'dtype', ['f32', 'f16']),
    ...(options.preset === undefined ? checkpoint(options, stream) : random(options)),
  };
  return { request, transfer: stream ? [stream.port] : [], cancel: stream?.cancel, onProgress, signal };
}

function checkCombination(options) {
  const given = (name) => options[name] !== undefined;
  if (given('preset')) {
    const conflicting = CHECKPOINT.filter(given);
    if (conflicting.length > 0) {
      throw new TypeError(`preset means random weights, without a checkpoint: leave out ${conflicting.join(', ')}, or preset`);
    }
    return;
  }
  if (given('seed')) {
    throw new TypeError('seed needs preset: it is the seed of random weights');
  }
  if (!given('model') && !given('weights')) {
    throw new TypeError("Encoder.create: none of preset, model and weights is given; preset: 'tiny' works without any files");
  }
  if (!given('model') && !hasDirectory(options.weights)) {
    for (const names of [['config'], ['processor', 'preprocessor']]) {
      if (!names.some(given)) {
        const missing = names.join(' or ');
        throw new TypeError(`weights without a web address have no directory to read ${missing} from: pass ${missing} as well`);
      }
    }
  }
  if (given('revision') && !isHubName(options.model)) {
    throw new TypeError(`revision needs a model name on a hub: expected model: 'owner/name', found ${options.model ?? 'no model'}`);
  }
}

function random({ preset, seed = 0 }) {
  if (typeof preset !== 'string') {
    throw new TypeError(`preset: expected a name such as 'tiny', found ${preset}`);
  }
  if (!Number.isInteger(seed) || seed < 0 || seed > 0xffff_ffff) {
    throw new TypeError(`seed: expected a whole number from 0 to ${0xffff_ffff}, found ${seed}`);
  }
  return { preset, seed };
}

function checkpoint(options, stream) {
  const { model, weights, revision = 'main', token, cache = true } = options;
  const hub = addressOf('hub', options.hub ?? HUB).replace(/\/+$/, '');
  return {
    hub,
    token,
    cache,
    base: model === undefined ? baseOf(weights) : modelOf(model, hub, revision),
    config: jsonOf('config', options.config),
    processor: jsonOf('processor', options.processor),
    preprocessor: jsonOf('preprocessor', options.preprocessor),
    videoPreprocessor: jsonOf('videoPreprocessor', options.videoPreprocessor),
    weights: stream ? { port: stream.port } : weightsOf(weights),
  };
}

function modelOf(model, hub, revision) {
  if (isHubName(model)) {
    return { repository: `${hub}/${model}/resolve/`, revision };
  }
  const url = new URL(addressOf('model', model));
  url.pathname = url.pathname.replace(/\/*$/, '/');
  return { directory: url.href };
}

/** Configurations are read from the directory of the weights, if these have an address. */
function baseOf(weights) {
  return hasDirectory(weights) ? { directory: new URL('.', addressOf('weights', weights)).href } : undefined;
}

function weightsOf(weights) {
  if (weights === undefined) {
    return undefined;
  }
  if (isAddress(weights)) {
    const url = addressOf('weights', weights);
    if (new URL(url).pathname.endsWith('/')) {
      throw new TypeError(`weights: expected the URL of a .safetensors or .index.json file, found the directory ${url}; pass a directory as model`);
    }
    return { url };
  }
  const files = weights instanceof Blob ? [weights] : weights;
  if (Array.isArray(files) && files.length > 0 && files.every((file) => file instanceof Blob)) {
    return { files };
  }
  throw new TypeError('weights: expected a URL, a Blob or File, an array of them, or a ReadableStream of bytes');
}

function jsonOf(name, value) {
  if (value === undefined) {
    return undefined;
  }
  if (value instanceof Blob) {
    return { blob: value };
  }
  if (typeof value === 'string' && value.trimStart().startsWith('{')) {
    return { text: value };
  }
  if (isAddress(value)) {
    return { url: addressOf(name, value) };
  }
  if (typeof value === 'object' && value !== null) {
    return { text: JSON.stringify(value) };
  }
  throw new TypeError(`${name}: expected an object, JSON text, a URL or a Blob, found ${value}`);
}

function oneOf(options, name, choices) {
  const value = options[name];
  if (value !== undefined && !choices.includes(value)) {
    throw new TypeError(`${name}: expected ${choices.map((choice) => `'${choice}'`).join(' or ')}, found ${JSON.stringify(value)}`);
  }
  return value;
}

function isHubName(model) {
  // './models/x' is an address: a name on a hub never begins with a dot.
  return typeof model === 'string' && HUB_NAME.test(model) && !model.startsWith('.');
}

function isAddress(value) {
  return typeof value === 'string' || value instanceof URL;
}

function hasDirectory(weights) {
  return isAddress(weights) && addressOf('weights', weights).startsWith('http');
}

function addressOf(name, value) {
  const url = urlOf(name, value);
  if (!['http:', 'https:', 'blob:', 'data:'].includes(url.protocol)) {
    throw new TypeError(`${name}: expected an http or https URL, found ${url.protocol}//…`);
  }
  return url.href;
}

/** A URL of the caller, which may be relative to the page. A worker has no page. */
export function urlOf(name, value) {
  try {
    return new URL(value, globalThis.document?.baseURI);
  } catch {
    throw new TypeError(`${name}: expected a URL (in a worker, an absolute one), found ${value}`);
  }
}
