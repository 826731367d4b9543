const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

/**
 * Selects tokens by mouse, finger or keyboard. The page shows the similarities of the `anchor` token. Once the anchor is
 * `pinned`, pointing elsewhere moves the `probe` token, whose value is shown.
 */
export class Pointing {
  #frame;
  #changed;
  #grid = null;
  anchor = null;
  probe = null;
  pinned = false;

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

  /** Sets the grid, `rows` × `columns` tokens with the `visible` shares of them, or null, and clears the selection. */
  setGrid(grid) {
    this.#grid = grid;
    this.release();
  }

  release() {
    [this.anchor, this.probe, this.pinned] = [null, null, false];
    this.#changed();
  }

  togglePin() {
    this.pinned = this.anchor !== null && !this.pinned;
    this.probe = null;
    this.#changed({ spoken: true });
  }

  #point(token) {
    if (this.pinned) {
      this.probe = token === this.anchor ? null : token;
    } else {
      this.anchor = token;
    }
    this.#changed();
  }

  /** A finger cannot leave the frame as a mouse does. Touching the same token again clears the selection. */
  #pressed(event) {
    const token = this.#tokenAt(event);
    if (event.pointerType === 'touch' && token === this.anchor) {
      this.release();
    } else {
      this.#point(token);
    }
  }

  /** A click pins the token. Only a mouse can point without a click; touch uses the button to pin. */
  #clicked(event) {
    if (event.pointerType !== 'mouse' || !this.#grid) {
      return;
    }
    const token = this.#tokenAt(event);
    [this.pinned, this.anchor, this.probe] = [!(this.pinned && token === this.anchor), token, null];
    this.#changed();
  }

  #left() {
    this.probe = null;
    this.anchor = this.pinned ? this.anchor : null;
    this.#changed();
  }

  #enter() {
    if (this.#grid && this.anchor === null) {
      const { rows, columns } = this.#visible();
      this.anchor = Math.floor(rows / 2) * this.#grid.columns + Math.floor(columns / 2);
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
      this.togglePin();
    } else if (event.key === 'Escape') {
      this.release();
    } else {
      return;
    }
    event.preventDefault();
  }

  #step([down, right]) {
    const { rows, columns } = this.#visible();
    const all = this.#grid.columns;
    const from = (this.pinned ? this.probe : null) ?? this.anchor ?? 0;
    const row = Math.min(Math.max(Math.floor(from / all) + down, 0), rows - 1);
    const column = Math.min(Math.max(from % all + right, 0), columns - 1);
    this.#point(row * all + column);
    this.#changed({ spoken: true });
  }

  /** How many rows and columns of tokens show some of the image. */
  #visible() {
    const { rows, columns, visible } = this.#grid;
    return { rows: Math.ceil(rows * visible.y), columns: Math.ceil(columns * visible.x) };
  }

  #tokenAt({ clientX, clientY }) {
    if (!this.#grid) {
      return null;
    }
    const { left, top, width, height } = this.#frame.getBoundingClientRect();
    const { rows, columns, visible } = this.#grid;
    const place = (at, count) => Math.min(Math.max(Math.floor(at * count), 0), count - 1);
    return place(visible.y * (clientY - top) / height, rows) * columns + place(visible.x * (clientX - left) / width, columns);
  }
}
