import { element } from './elements.js';
import { bytes } from './text.js';

const STAGES = {
  module: 'Loading the module',
  device: 'Opening the device',
  config: 'Reading the configuration',
  weights: 'Loading the weights',
  ready: 'Ready',
};

/** One line about what is going on; `busy` with a bar and a way to cancel; a `note` says more. */
export function say(text, { busy = false, loaded = 0, total = 0, note = '' } = {}) {
  const [line, bar] = [element('status'), element('progress')];
  // A screen reader would repeat what has not changed.
  if (line.textContent !== text) {
    line.textContent = text;
  }
  element('note').textContent = note;
  element('note').hidden = !note;
  bar.hidden = element('cancel').hidden = !busy;
  if (total > 0) {
    [bar.max, bar.value] = [total, Math.min(loaded, total)];
    bar.title = `${bytes(loaded)} of ${bytes(total)}`;
  } else {
    bar.removeAttribute('value');
    bar.removeAttribute('title');
  }
}

/** A stage of loading. */
export function sayStage({ stage, loaded, total }) {
  const amount = total > 0 ? `, ${bytes(total)}` : '';
  say(`${STAGES[stage]}${amount}`, { busy: true, loaded, total });
}

/** An error in the page; with `retry` the encoder can be loaded again. */
export function complain(error, retry = null) {
  element('error-text').textContent = sentence(error?.message ?? String(error));
  element('error').hidden = false;
  element('error-retry').hidden = retry === null;
  element('error-retry').onclick = () => {
    forgive();
    retry();
  };
  element('error-close').onclick = forgive;
  bringIntoView('error');
}

/** On a small screen what is going on is far from the button that began it. */
export function bringIntoView(id) {
  const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
  element(id).scrollIntoView({ block: 'nearest', behavior: calm ? 'auto' : 'smooth' });
}

export function forgive() {
  element('error').hidden = true;
}

function sentence(message) {
  return /[.!?]$/.test(message) ? message : `${message}.`;
}
