const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

/**
 * Which token is looked at: by mouse, finger or keyboard. The `anchor` is the token whose similarities are shown; once it
 * is `held`, pointing elsewhere moves the `probe`, whose value is read.
 */
export class Pointing {
  #frame;
  #changed;
  #grid = null;
  anchor = null;
  probe = null;
  held = false;

  constructor(frame, changed) {
    this.#frame = frame;
    this.#changed = changed;
    frame.addEventListener('pointermove', (event) => this.#point(this.#tokenAt(event)));
    frame.addEventListener('pointerdown', (event) => this.#pressed(event));
    frame.addEventListener('pointerup', (event) => this.#clicked(event));
    frame.addEventListener('pointerleave', (event) => event.pointerType === 'mouse' && this.#left());
    frame.addEventListener('keydown', (event) => this.#key(event));
    frame.addEventListener('focus', () => frame.matches(':focus-visible') && this.#enter());
  }

  /** Begins anew, over `rows` × `columns` tokens or none. */
  over(grid) {
    this.#grid = grid;
    this.release();
  }

  release() {
    [this.anchor, this.probe, this.held] = [null, null, false];
    this.#changed();
  }

  toggleHold() {
    this.held = this.anchor !== null && !this.held;
    this.probe = null;
    this.#changed({ spoken: true });
  }

  #point(token) {
    if (this.held) {
      this.probe = token === this.anchor ? null : token;
    } else {
      this.anchor = token;
    }
    this.#changed();
  }

  /** A finger cannot leave as a mouse does: the same token again ends it. */
  #pressed(event) {
    const token = this.#tokenAt(event);
    if (event.pointerType === 'touch' && token === this.anchor) {
      this.release();
    } else {
      this.#point(token);
    }
  }

  /** Only a mouse points without pressing; a finger holds by the button. */
  #clicked(event) {
    if (event.pointerType !== 'mouse' || !this.#grid) {
      return;
    }
    const token = this.#tokenAt(event);
    [this.held, this.anchor, this.probe] = [!(this.held && token === this.anchor), token, null];
    this.#changed();
  }

  #left() {
    this.probe = null;
    this.anchor = this.held ? this.anchor : null;
    this.#changed();
  }

  #enter() {
    if (this.#grid && this.anchor === null) {
      const { rows, columns } = this.#grid;
      this.anchor = Math.floor(rows / 2) * columns + Math.floor(columns / 2);
      this.#changed({ spoken: true });
    }
  }

  #key(event) {
    if (!this.#grid) {
      return;
    }
    if (event.key in STEPS) {
      this.#step(STEPS[event.key]);
    } else if (event.key === 'Enter' || event.key === ' ') {
      this.toggleHold();
    } else if (event.key === 'Escape') {
      this.release();
    } else {
      return;
    }
    event.preventDefault();
  }

  #step([down, right]) {
    const { rows, columns } = this.#grid;
    const from = (this.held ? this.probe : null) ?? this.anchor ?? 0;
    const row = Math.min(Math.max(Math.floor(from / columns) + down, 0), rows - 1);
    const column = Math.min(Math.max(from % columns + right, 0), columns - 1);
    this.#point(row * columns + column);
    this.#changed({ spoken: true });
  }

  #tokenAt({ clientX, clientY }) {
    if (!this.#grid) {
      return null;
    }
    const { left, top, width, height } = this.#frame.getBoundingClientRect();
    const { rows, columns } = this.#grid;
    const place = (at, count) => Math.min(Math.max(Math.floor(at * count), 0), count - 1);
    return place((clientY - top) / height, rows) * columns + place((clientX - left) / width, columns);
  }
}
