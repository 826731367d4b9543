/** A message for every piece of a fast download would be noise. */
const INTERVAL_MS = 50;

/** Stages of loading, their bytes and their times. */
export class Progress {
  /** The wasm heap, once there is one. */
  memory = null;
  /** Milliseconds of each stage that is over. */
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

  /** The stage goes on, and it is known now how much there is to do. */
  expect(total) {
    this.#total = total;
    this.#send(performance.now());
  }

  /** Negative where bytes have to be read again. */
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

/** `stream`, with its bytes counted on their way. */
export function counted(stream, progress) {
  return stream.pipeThrough(new TransformStream({
    transform(piece, controller) {
      progress.add(piece.byteLength);
      controller.enqueue(piece);
    },
  }));
}
