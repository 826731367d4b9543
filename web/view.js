import { element } from './elements.js';
import { clear, paintColors, paintSimilarity } from './overlay.js';
import { Pointing } from './pointing.js';
import { extremes } from './similarity.js';
import { similarity } from './text.js';

const LONGEST_SHOWN = 1600;
const WAITING = 'The colors appear when the image is encoded.';
const REFUSED = 'This image was not encoded.';
const FEATURES = 'Colors show the features: tokens with similar features have similar colors.';

/** The image with an overlay of its tokens. */
export class View {
  #pointing;
  #tokens = null;
  #placeholder = WAITING;
  #values = null;
  #drawn = undefined;
  #due = false;

  constructor() {
    this.#pointing = new Pointing(element('frame'), (change) => this.#schedule(change));
    element('pin').addEventListener('click', () => this.#pointing.togglePin());
    const opacity = element('opacity');
    opacity.addEventListener('input', () => this.#setOpacity(opacity.value));
    this.#setOpacity(opacity.value);
  }

  /** Shows an image before it is encoded. `bitmap` is null if the browser cannot show the image. */
  show({ bitmap, name }) {
    this.#placeholder = WAITING;
    this.#clear();
    const frame = element('frame');
    frame.setAttribute('aria-label', `Tokens of ${name}`);
    [frame.hidden, element('empty').hidden] = [false, true];
    this.#setRatio(bitmap?.width ?? 1, bitmap?.height ?? 1);
    drawShrunk(element('image'), bitmap);
  }

  /** Shows that the image was not encoded. */
  showFailure() {
    this.#placeholder = REFUSED;
    this.#clear();
  }

  #clear() {
    this.#tokens = null;
    this.#pointing.setGrid(null);
    clear(element('overlay'));
  }

  /**
   * Shows the image's tokens: rows, columns, the visible shares of them, colors (null if there are too few tokens), and
   * similarity. What the tokens cover beyond the image is cut off.
   */
  showTokens(tokens, { bitmap }) {
    const { rows, columns, visible } = this.#tokens = tokens;
    if (!bitmap) {
      this.#setRatio(columns, rows);
    }
    const overlay = element('overlay');
    overlay.style.width = `${100 / visible.x}%`;
    overlay.style.height = `${100 / visible.y}%`;
    this.#drawn = undefined;
    this.#pointing.setGrid(tokens);
  }

  #setRatio(width, height) {
    element('frame').style.setProperty('--ratio', width / height);
  }

  #setOpacity(percent) {
    element('frame').style.setProperty('--opacity', percent / 100);
    element('opacity-value').textContent = `${percent} %`;
  }

  /** Draws at most once per screen refresh, however often the pointer moves. */
  #schedule({ spoken = false } = {}) {
    if (spoken) {
      this.#draw();
      element('spoken').textContent = element('reading').textContent;
    } else if (!this.#due) {
      this.#due = true;
      requestAnimationFrame(() => {
        this.#due = false;
        this.#draw();
      });
    }
  }

  #draw() {
    const { anchor, probe, pinned } = this.#pointing;
    const comparing = this.#tokens !== null && anchor !== null;
    element('legend').hidden = element('pin').hidden = !comparing;
    element('frame').classList.toggle('comparing', comparing);
    element('pin').setAttribute('aria-pressed', pinned);
    this.#mark('anchor', comparing ? anchor : null);
    this.#mark('probe', comparing ? probe : null);
    if (!this.#tokens) {
      element('value').hidden = true;
      element('reading').textContent = this.#placeholder;
      return;
    }
    if (anchor !== this.#drawn) {
      this.#drawn = anchor;
      this.#paint(anchor);
    }
    this.#describe(comparing ? anchor : null, probe);
  }

  #paint(anchor) {
    const { colors, similarity } = this.#tokens;
    const overlay = element('overlay');
    if (anchor !== null) {
      const values = similarity.to(anchor);
      this.#values = { values, ...extremes(values, anchor) };
      paintSimilarity(overlay, this.#tokens, values, this.#values);
    } else if (colors) {
      paintColors(overlay, this.#tokens, colors);
    } else {
      clear(overlay);
    }
  }

  #describe(anchor, probe) {
    if (anchor === null) {
      element('reading').textContent = this.#tokens.colors ? FEATURES : 'There are too few tokens for colors; point at one.';
      element('value').hidden = true;
      return;
    }
    const { values, low, high, lowest, highest } = this.#values;
    element('legend-low').textContent = similarity(low, 2);
    element('legend-high').textContent = similarity(high, 2);
    const single = lowest < 0;
    const compared = probe === null
      ? (single ? 'It is the only token.' : `Most similar: ${this.#place(highest)} (${similarity(high, 3)}). Least similar: ${this.#place(lowest)} (${similarity(low, 3)}).`)
      : `Its similarity to ${this.#place(probe)} is ${similarity(values[probe], 3)}.`;
    element('reading').textContent = `Token ${anchor}, ${this.#place(anchor)}. ${compared}`;
    this.#showValue(probe, probe === null ? '' : similarity(values[probe], 3));
  }

  #place(token) {
    return `row ${Math.floor(token / this.#tokens.columns) + 1}, column ${token % this.#tokens.columns + 1}`;
  }

  /** How many rows and columns the image has; the last ones may be cut off. */
  #seen() {
    const { rows, columns, visible } = this.#tokens;
    return { rows: rows * visible.y, columns: columns * visible.x };
  }

  #mark(id, token) {
    const mark = element(id);
    mark.hidden = token === null;
    if (token !== null) {
      const { rows, columns } = this.#seen();
      mark.style.left = `${100 * (token % this.#tokens.columns) / columns}%`;
      mark.style.top = `${100 * Math.floor(token / this.#tokens.columns) / rows}%`;
      mark.style.width = `${100 / columns}%`;
      mark.style.height = `${100 / rows}%`;
    }
  }

  #showValue(token, text) {
    const value = element('value');
    value.hidden = token === null;
    if (token !== null) {
      const { rows, columns } = this.#seen();
      const top = (Math.floor(token / this.#tokens.columns) + 0.5) / rows;
      value.textContent = text;
      value.classList.toggle('below', top < 0.2);
      value.style.left = `clamp(1.8rem, ${100 * (token % this.#tokens.columns + 0.5) / columns}%, 100% - 1.8rem)`;
      value.style.top = `${100 * top}%`;
    }
  }
}

function drawShrunk(canvas, bitmap) {
  if (!bitmap) {
    clear(canvas);
    return;
  }
  const scale = Math.min(1, LONGEST_SHOWN / Math.max(bitmap.width, bitmap.height));
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  canvas.getContext('2d').drawImage(bitmap, 0, 0, canvas.width, canvas.height);
}
