import { element } from './elements.js';
import { bytes } from './text.js';

const STAGES = {
  module: 'Loading the module',
  device: 'Opening the device',
  config: 'Reading the configuration',
  weights: 'Loading the weights',
  ready: 'Ready',
};

/** Shows the status in one line. `busy` adds a progress bar and a cancel button; `note` adds a second line. */
export function showStatus(text, { busy = false, loaded = 0, total = 0, note = '' } = {}) {
  const [line, bar] = [element('status'), element('progress')];
  // Setting the same text again would make a screen reader repeat it.
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

/** Shows a stage of loading. */
export function showStage({ stage, loaded, total }) {
  const amount = total > 0 ? `, ${bytes(total)}` : '';
  showStatus(`${STAGES[stage]}${amount}`, { busy: true, loaded, total });
}

/** Shows an error. `retry` adds a button that loads the encoder again. */
export function showError(error, retry = null) {
  element('error-text').textContent = sentence(error?.message ?? String(error));
  element('error').hidden = false;
  element('error-retry').hidden = retry === null;
  element('error-retry').onclick = () => {
    hideError();
    retry();
  };
  element('error-close').onclick = hideError;
  scrollToElement('error');
}

/** Scrolls an element into view. On a small screen the status is far from the form. */
export function scrollToElement(id) {
  const reducedMotion = matchMedia('(prefers-reduced-motion: reduce)').matches;
  element(id).scrollIntoView({ block: 'nearest', behavior: reducedMotion ? 'auto' : 'smooth' });
}

export function hideError() {
  element('error').hidden = true;
}

function sentence(message) {
  return /[.!?]$/.test(message) ? message : `${message}.`;
}
