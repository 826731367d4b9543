import { Encoder } from './pkg/index.js';

/** The page's encoder. It is created at its first use, and again after a failure or a cancellation. */
export class Session {
  #options = null;
  #encoder = null;
  #loading = null;
  #abort = null;
  #onProgress;

  constructor(onProgress) {
    this.#onProgress = onProgress;
  }

  /** Sets the options of the next encoder. */
  choose(options) {
    this.cancel();
    this.#options = options;
  }

  get current() {
    return this.#encoder;
  }

  /** The encoder, loaded at the first call. */
  async encoder() {
    if (this.#encoder?.broken) {
      this.#encoder = null;
    }
    if (!this.#encoder) {
      this.#loading ??= this.#load();
      await this.#loading;
    }
    return this.#encoder;
  }

  /** Stops all work. A worker that computes receives no messages, so it is ended. */
  cancel() {
    this.#abort?.abort(new DOMException('cancelled', 'AbortError'));
    this.#encoder?.free();
    [this.#encoder, this.#loading, this.#abort] = [null, null, null];
  }

  async #load() {
    const abort = new AbortController();
    this.#abort = abort;
    try {
      const encoder = await Encoder.create({ ...this.#options, onProgress: this.#onProgress, signal: abort.signal });
      if (abort.signal.aborted) {
        encoder.free();
        throw abort.signal.reason;
      }
      this.#encoder = encoder;
    } finally {
      if (this.#abort === abort) {
        this.#loading = null;
      }
    }
  }
}
