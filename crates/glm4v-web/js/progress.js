/** Minimum time between two messages. A fast download would otherwise send one for every chunk. */
const INTERVAL_MS = 50;

/** The stages of loading, with their bytes and times. */
export class Progress {
  /** The module's memory, once it exists. */
  memory = null;
  /** Milliseconds of each finished stage. */
  times = {};
  #report;
  #stage = null;
  #loaded = 0;
  #total = 0;
  #begun = 0;
  #reported = 0;

  constructor(report) {
    this.#report = report;
  }

  begin(stage, total = 0) {
    const now = performance.now();
    if (this.#stage !== null) {
      this.#send(now);
      this.times[this.#stage] = now - this.#begun;
    }
    [this.#stage, this.#loaded, this.#total, this.#begun] = [stage, 0, total, now];
    this.#send(now);
  }

  /** Sets the total of the current stage, once it is known. */
  expect(total) {
    this.#total = total;
    this.#send(performance.now());
  }

  /** Adds loaded bytes. The number is negative if bytes must be read again. */
  add(bytes) {
    this.#loaded += bytes;
    const now = performance.now();
    if (now - this.#reported >= INTERVAL_MS) {
      this.#send(now);
    }
  }

  #send(now) {
    this.#reported = now;
    this.#report({
      stage: this.#stage,
      loaded: this.#loaded,
      total: this.#total,
      heap: this.memory?.buffer.byteLength ?? 0,
    });
  }
}

/** The same stream; `progress` counts its bytes. */
export function counted(stream, progress) {
  return stream.pipeThrough(new TransformStream({
    transform(chunk, controller) {
      progress.add(chunk.byteLength);
      controller.enqueue(chunk);
    },
  }));
}
