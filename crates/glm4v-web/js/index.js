import { imageOf, pixelsOf } from './images.js';
import { Link } from './link.js';
import { creation } from './options.js';

export { clearCache } from './cache.js';

export class Encoder {
  #link;

  constructor(link, about) {
    if (!(link instanceof Link)) {
      throw new TypeError('an Encoder is made by `await Encoder.create({ … })`');
    }
    this.#link = link;
    Object.assign(this, about);
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

  async encodeImages(images, { decode = 'auto' } = {}) {
    if (!['auto', 'library', 'browser'].includes(decode)) {
      throw new TypeError(`decode: expected 'auto', 'library' or 'browser', found ${JSON.stringify(decode)}`);
    }
    const sent = listOf('encodeImages', images).map(imageOf);
    const transfer = sent.flatMap(([, parts]) => parts);
    return this.#link.call('encodeImages', { images: sent.map(([message]) => message), decode }, transfer);
  }

  async encodeFrames(frames, fps) {
    if (!(fps > 0 && Number.isFinite(fps))) {
      throw new TypeError(`encodeFrames: expected the frames per second as a number above 0, found ${fps}`);
    }
    const pixels = listOf('encodeFrames', frames).map(pixelsOf);
    return this.#link.call('encodeFrames', { frames: pixels, fps });
  }

  async plan(width, height) {
    return this.#link.call('plan', { width, height });
  }

  async colours({ embeddings, shape }) {
    return this.#link.call('colours', { embeddings, width: shape[1] });
  }

  get broken() {
    return this.#link.ended;
  }

  free() {
    this.#link.end(new Error('this encoder was freed; make another by Encoder.create'));
  }
}

function listOf(method, values) {
  if (!Array.isArray(values) || values.length === 0) {
    throw new TypeError(`${method}: expected an array of at least one, found ${Array.isArray(values) ? 'none' : typeof values}`);
  }
  return values;
}
