import { element } from './elements.js';
import { clear, paintColours, paintSimilarity } from './overlay.js';
import { Pointing } from './pointing.js';
import { extremes } from './similarity.js';
import { similarity } from './text.js';

const LONGEST_SHOWN = 1600;
const WAITING = 'The colours come when the picture is encoded.';
const REFUSED = 'This picture was not encoded.';
const FEATURES = 'Colours show the features: what the encoder holds to be alike has the same colour.';

/** The picture with what the encoder makes of it. */
export class View {
  #pointing;
  #tokens = null;
  #without = WAITING;
  #values = null;
  #drawn = undefined;
  #due = false;

  constructor() {
    this.#pointing = new Pointing(element('frame'), (change) => this.#later(change));
    element('hold').addEventListener('click', () => this.#pointing.toggleHold());
    const opacity = element('opacity');
    opacity.addEventListener('input', () => this.#setOpacity(opacity.value));
    this.#setOpacity(opacity.value);
  }

  /** A picture, of which nothing is known yet; `bitmap` is null for what the browser cannot show. */
  show({ bitmap, name }) {
    this.#without = WAITING;
    this.#forget();
    const frame = element('frame');
    frame.setAttribute('aria-label', `Tokens of ${name}`);
    [frame.hidden, element('empty').hidden] = [false, true];
    this.#setRatio(bitmap?.width ?? 1, bitmap?.height ?? 1);
    drawShrunk(element('picture'), bitmap);
  }

  /** Nothing will come of the picture. */
  refuse() {
    this.#without = REFUSED;
    this.#forget();
  }

  #forget() {
    this.#tokens = null;
    this.#pointing.over(null);
    clear(element('overlay'));
  }

  /** The tokens of the picture: rows, columns, colours (null where there are too few), and similarity. */
  reveal(tokens, { bitmap, resized: [width, height] }) {
    this.#tokens = tokens;
    if (!bitmap) {
      this.#setRatio(width, height);
    }
    this.#drawn = undefined;
    this.#pointing.over(tokens);
  }

  #setRatio(width, height) {
    element('frame').style.setProperty('--ratio', width / height);
  }

  #setOpacity(percent) {
    element('frame').style.setProperty('--opacity', percent / 100);
    element('opacity-value').textContent = `${percent} %`;
  }

  /** Once for each picture of the screen, however often the pointer moves. */
  #later({ spoken = false } = {}) {
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
    const { anchor, probe, held } = this.#pointing;
    const looking = this.#tokens !== null && anchor !== null;
    element('legend').hidden = element('hold').hidden = !looking;
    element('frame').classList.toggle('looking', looking);
    element('hold').setAttribute('aria-pressed', held);
    this.#mark('anchor', looking ? anchor : null);
    this.#mark('probe', looking ? probe : null);
    if (!this.#tokens) {
      element('value').hidden = true;
      element('reading').textContent = this.#without;
      return;
    }
    if (anchor !== this.#drawn) {
      this.#drawn = anchor;
      this.#paint(anchor);
    }
    this.#read(looking ? anchor : null, probe);
  }

  #paint(anchor) {
    const { colours, similarity } = this.#tokens;
    const overlay = element('overlay');
    if (anchor !== null) {
      const values = similarity.to(anchor);
      this.#values = { values, ...extremes(values, anchor) };
      paintSimilarity(overlay, this.#tokens, values, this.#values);
    } else if (colours) {
      paintColours(overlay, this.#tokens, colours);
    } else {
      clear(overlay);
    }
  }

  #read(anchor, probe) {
    if (anchor === null) {
      element('reading').textContent = this.#tokens.colours ? FEATURES : 'There are too few tokens for colours; point at one.';
      element('value').hidden = true;
      return;
    }
    const { values, low, high, lowest, highest } = this.#values;
    element('legend-low').textContent = similarity(low, 2);
    element('legend-high').textContent = similarity(high, 2);
    const alone = lowest < 0;
    const compared = probe === null
      ? (alone ? 'It is the only one.' : `Most like it is ${this.#place(highest)} with ${similarity(high, 3)}, least ${this.#place(lowest)} with ${similarity(low, 3)}.`)
      : `Its similarity to ${this.#place(probe)} is ${similarity(values[probe], 3)}.`;
    element('reading').textContent = `Token ${anchor}, ${this.#place(anchor)}. ${compared}`;
    this.#showValue(probe, probe === null ? '' : similarity(values[probe], 3));
  }

  #place(token) {
    return `row ${Math.floor(token / this.#tokens.columns) + 1}, column ${token % this.#tokens.columns + 1}`;
  }

  #mark(id, token) {
    const mark = element(id);
    mark.hidden = token === null;
    if (token !== null) {
      const { rows, columns } = this.#tokens;
      mark.style.left = `${100 * (token % columns) / columns}%`;
      mark.style.top = `${100 * Math.floor(token / columns) / rows}%`;
      mark.style.width = `${100 / columns}%`;
      mark.style.height = `${100 / rows}%`;
    }
  }

  #showValue(token, text) {
    const value = element('value');
    value.hidden = token === null;
    if (token !== null) {
      const { rows, columns } = this.#tokens;
      const top = (Math.floor(token / columns) + 0.5) / rows;
      value.textContent = text;
      value.classList.toggle('below', top < 0.2);
      value.style.left = `clamp(1.8rem, ${100 * (token % columns + 0.5) / columns}%, 100% - 1.8rem)`;
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
