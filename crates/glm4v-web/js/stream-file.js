import { TransientError } from './http.js';

const EMPTY = new Uint8Array(0);

/**
 * A file that arrives once, from its beginning. Bytes that nobody reads are skipped. With `open`, a broken connection is
 * opened again.
 */
export class StreamFile {
  sequential = true;
  #open;
  #retrying;
  #reader;
  #rest = EMPTY;
  #position = 0;
  /** Bytes that were counted. Bytes that arrive again on a new connection are not counted twice. */
  #counted = 0;
  #last = Promise.resolve();

  constructor(name, length, stream, { open, retrying = (attempt) => attempt() } = {}) {
    this.name = name;
    this.length = length;
    this.#reader = stream.getReader();
    this.#open = open;
    this.#retrying = retrying;
  }

  /** Bytes `start` to `end`. Calls must be in ascending order; a call may be made before the previous one is answered. */
  read(start, end, count = () => {}) {
    const bytes = this.#last.then(() => this.#retrying(() => this.#read(start, end, count)));
    this.#last = bytes.catch(() => {});
    return bytes;
  }

  /** Closes the connection until the next read, if it can be opened again. */
  disconnect() {
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
      throw new Error(`${this.name}: the stream has ended or failed and cannot be read again; create another encoder from a new stream`);
    }
    this.cancel();
    this.#reader = (await this.#open()).getReader();
    [this.#rest, this.#position] = [EMPTY, 0];
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
      const next = this.#rest.subarray(0, length - filled);
      bytes.set(next, filled);
      filled += next.length;
      this.#advance(next.length, count);
    }
    return bytes;
  }

  async #fill(end) {
    while (this.#rest.length === 0) {
      const { value, done } = await this.#next(end);
      if (done) {
        throw this.#incomplete(end, 'the file ended');
      }
      this.#rest = value;
    }
  }

  async #next(end) {
    try {
      return await this.#reader.read();
    } catch (cause) {
      throw this.#incomplete(end, `the connection broke (${cause.message})`, cause);
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

  #incomplete(end, reason, cause) {
    const message = `${this.name}: ${reason} after ${this.#position} bytes, expected at least ${end}; check that the file is complete`;
    return this.#open ? new TransientError(message, { cause }) : new Error(message, { cause });
  }
}
