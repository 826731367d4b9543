/** An f32 safetensors file of tensors { name: { shape, fill } }, in this order. */
export function safetensors(tensors) {
  const header = {};
  const parts = [];
  let end = 0;
  for (const [name, { shape, fill }] of Object.entries(tensors)) {
    const count = shape.reduce((product, side) => product * side, 1);
    const values = Float32Array.from({ length: count }, (_, index) => fill + index);
    header[name] = { dtype: 'F32', shape, data_offsets: [end, end + values.byteLength] };
    end += values.byteLength;
    parts.push(Buffer.from(values.buffer));
  }
  const json = Buffer.from(JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([prefix, json, ...parts]);
}

/** Stands in for the module's Loader: it plans the chunks of the tower and records the bytes that it receives. */
export class TowerLoader {
  #files = [];
  #chunks = [];
  received = [];

  static headerLength(first8, fileLength, name) {
    const length = Number(Buffer.from(first8).readBigUInt64LE()) + 8;
    if (!(length <= fileLength)) {
      throw new Error(`${name}: expected a header within ${fileLength} bytes, found ${length}`);
    }
    return length;
  }

  shards(text) {
    const { weight_map } = JSON.parse(text);
    const tower = Object.entries(weight_map).filter(([name]) => name.startsWith('model.visual.'));
    return [...new Set(tower.map(([, shard]) => shard))];
  }

  addFile(name, header, fileLength) {
    const tensors = JSON.parse(Buffer.from(header.subarray(8)).toString());
    const tower = Object.entries(tensors).filter(([key]) => key.startsWith('model.visual.'));
    const end = Math.max(0, ...Object.values(tensors).map(({ data_offsets }) => data_offsets[1])) + header.length;
    if (end !== fileLength) {
      throw new Error(`${name}: expected ${end} bytes, found ${fileLength}`);
    }
    this.#files.push(name);
    for (const [, { data_offsets: [start, stop] }] of tower) {
      this.#chunks.push({ file: this.#files.length - 1, start: start + header.length, end: stop + header.length });
    }
  }

  chunks() {
    return this.#chunks;
  }

  write(file, position, bytes) {
    this.received.push({ file, position, bytes: Buffer.from(bytes) });
  }
}
