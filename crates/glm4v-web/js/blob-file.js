/** A file that the user picked, or bytes that the page holds. */
export class BlobFile {
  sequential = false;
  #blob;

  constructor(blob, name = blob.name ?? 'weights') {
    this.#blob = blob;
    this.name = name;
    this.length = blob.size;
  }

  async read(start, end, count = () => {}) {
    if (end > this.length) {
      throw new Error(`${this.name}: expected ${end} bytes or more, found ${this.length}; was it copied or downloaded as a whole?`);
    }
    let buffer;
    try {
      buffer = await this.#blob.slice(start, end).arrayBuffer();
    } catch (cause) {
      throw new Error(
        `${this.name}: expected bytes ${start} to ${end}, found: ${cause.message}; was the file moved or changed? pick it again`,
        { cause },
      );
    }
    count(buffer.byteLength);
    return new Uint8Array(buffer);
  }
}
