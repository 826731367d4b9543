import { budgetOf } from './budget.js';
import { imageOf, pixelsOf } from './images.js';
import { Link } from './link.js';
import { creation } from './options.js';

export { clearCache } from './cache.js';

export class Encoder {
  #link;

  constructor(link, properties) {
    if (!(link instanceof Link)) {
      throw new TypeError('new Encoder() is not allowed; use `await Encoder.create({ … })`');
    }
    this.#link = link;
    Object.assign(this, properties);
  }

  static async create(options) {
    options?.signal?.throwIfAborted();
    const { request, transfer, cancel, onProgress, signal } = creation(options);
    const link = new Link();
    const abort = () => link.end(signal.reason);
    signal?.addEventListener('abort', abort);
    try {
      return new Encoder(link, await link.call('create', request, transfer, onProgress));
    } catch (error) {
      link.end(error);
      cancel?.(error);
      throw error;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  async encodeImage(image, options) {
    return this.encodeImages([image], options);
  }

  async encodeImages(images, { decode = 'auto', ...options } = {}) {
    if (!['auto', 'library', 'browser'].includes(decode)) {
      throw new TypeError(`decode: expected 'auto', 'library' or 'browser', found ${JSON.stringify(decode)}`);
    }
    const budget = budgetOf('encodeImages', options);
    const messages = listOf('encodeImages', images).map(imageOf);
    const transfer = messages.flatMap(([, buffers]) => buffers);
    return this.#link.call('encodeImages', { images: messages.map(([message]) => message), decode, budget }, transfer);
  }

  async encodeFrames(frames, fps, options = {}) {
    if (!(fps > 0 && Number.isFinite(fps))) {
      throw new TypeError(`encodeFrames: expected the frames per second as a number above 0, found ${fps}`);
    }
    const budget = budgetOf('encodeFrames', options);
    const pixels = listOf('encodeFrames', frames).map(pixelsOf);
    return this.#link.call('encodeFrames', { frames: pixels, fps, budget });
  }

  async plan(width, height, options = {}) {
    return this.#link.call('plan', { width, height, budget: budgetOf('plan', options) });
  }

  async colors({ embeddings, shape }) {
    return this.#link.call('colors', { embeddings, width: shape[1] });
  }

  get broken() {
    return this.#link.ended;
  }

  free() {
    this.#link.end(new Error('this encoder was freed; create another with Encoder.create'));
  }
}

function listOf(method, values) {
  if (!Array.isArray(values) || values.length === 0) {
    throw new TypeError(`${method}: expected a non-empty array, found ${Array.isArray(values) ? 'an empty one' : typeof values}`);
  }
  return values;
}
