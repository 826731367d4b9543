/** A file that the user picked, or a Blob that the page made. */
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
      throw new Error(`${this.name}: the file is incomplete: expected at least ${end} bytes, found ${this.length}; copy or download it again`);
    }
    let buffer;
    try {
      buffer = await this.#blob.slice(start, end).arrayBuffer();
    } catch (cause) {
      throw new Error(
        `${this.name}: bytes ${start} to ${end} cannot be read (${cause.message}); if the file was moved or changed, pick it again`,
        { cause },
      );
    }
    count(buffer.byteLength);
    return new Uint8Array(buffer);
  }
}
