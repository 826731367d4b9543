import { Passing } from './http.js';

const NOTHING = new Uint8Array(0);

/**
 * A file that arrives once, from its beginning on: what is not asked for is skipped. Where it can be opened again, a
 * connection that breaks is made again.
 */
export class StreamFile {
  sequential = true;
  #open;
  #retrying;
  #reader;
  #rest = NOTHING;
  #position = 0;
  /** Bytes that have been counted: those that come again after a break are not. */
  #counted = 0;
  #last = Promise.resolve();

  constructor(name, length, stream, { open, retrying = (attempt) => attempt() } = {}) {
    this.name = name;
    this.length = length;
    this.#reader = stream.getReader();
    this.#open = open;
    this.#retrying = retrying;
  }

  /** Bytes `start` to `end`; calls come in ascending order, and may come before the previous is answered. */
  read(start, end, count = () => {}) {
    const bytes = this.#last.then(() => this.#retrying(() => this.#read(start, end, count)));
    this.#last = bytes.catch(() => {});
    return bytes;
  }

  /** Gives up the connection until the next read, if there is a way to make another. */
  pause() {
    if (this.#open) {
      this.cancel();
    }
  }

  cancel() {
    this.#reader?.cancel().catch(() => {});
    this.#reader = null;
  }

  async #read(start, end, count) {
    if (!this.#reader || start < this.#position) {
      await this.#restart();
    }
    try {
      await this.#skip(start, count);
      return await this.#take(end - start, count);
    } catch (error) {
      this.cancel();
      throw error;
    }
  }

  async #restart() {
    if (!this.#open) {
      throw new Error(`${this.name}: expected to read on, found a stream that has ended or failed; make another encoder from a new stream`);
    }
    this.cancel();
    this.#reader = (await this.#open()).getReader();
    [this.#rest, this.#position] = [NOTHING, 0];
  }

  async #skip(start, count) {
    while (this.#position < start) {
      await this.#fill(start);
      this.#advance(Math.min(this.#rest.length, start - this.#position), count);
    }
  }

  async #take(length, count) {
    const bytes = new Uint8Array(length);
    const end = this.#position + length;
    for (let filled = 0; filled < length;) {
      await this.#fill(end);
      const piece = this.#rest.subarray(0, length - filled);
      bytes.set(piece, filled);
      filled += piece.length;
      this.#advance(piece.length, count);
    }
    return bytes;
  }

  async #fill(wanted) {
    while (this.#rest.length === 0) {
      const { value, done } = await this.#next(wanted);
      if (done) {
        throw this.#cut(wanted, 'its end');
      }
      this.#rest = value;
    }
  }

  async #next(wanted) {
    try {
      return await this.#reader.read();
    } catch (cause) {
      throw this.#cut(wanted, `that the connection broke (${cause.message})`, cause);
    }
  }

  #advance(bytes, count) {
    this.#rest = this.#rest.subarray(bytes);
    this.#position += bytes;
    if (this.#position > this.#counted) {
      count(this.#position - this.#counted);
      this.#counted = this.#position;
    }
  }

  #cut(wanted, found, cause) {
    const message = `${this.name}: expected ${wanted} bytes or more, found ${found} after ${this.#position}; is the file whole?`;
    return this.#open ? new Passing(message, { cause }) : new Error(message, { cause });
  }
}
