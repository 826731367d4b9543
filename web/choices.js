import { element } from './elements.js';

/** The form: where the weights come from, the device, and how large pictures may be. */
export class Choices {
  #form = element('choices');
  /** A stream or a list of dropped files cannot be put into an input. */
  #dropped = [];

  constructor(onLoad) {
    this.#form.addEventListener('change', ({ target }) => {
      if (target.name === 'source') {
        this.#showPanel();
      }
      if (target.name === 'weights') {
        this.#dropped = [];
      }
    });
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      onLoad();
    });
    this.#showPanel();
  }

  /** Files of a checkpoint that were dropped on the page. */
  drop(files) {
    this.#dropped = files;
    this.#form.elements.source.value = 'files';
    this.#showPanel();
  }

  /** The longest side of a picture; 0 for any. */
  get longestSide() {
    return Number(this.#value('side'));
  }

  /** Options for the encoder, and what to call the weights. */
  chosen() {
    const device = this.#value('device') || undefined;
    const source = this.#value('source');
    const { label, ...options } = { random: () => this.#random(), files: () => this.#files(), hub: () => this.#hub() }[source]();
    return { label, options: { device, ...options } };
  }

  #random() {
    const preset = this.#value('preset');
    return { label: `random, ${preset}`, preset };
  }

  #files() {
    const files = this.#dropped.length > 0 ? this.#dropped : [...this.#form.elements.weights.files];
    const named = (name) => files.find((file) => file.name === name);
    const [config, preprocessor] = ['config.json', 'preprocessor_config.json'].map(named);
    const weights = files.filter(({ name }) => name.endsWith('.safetensors') || name.endsWith('.index.json'));
    const lacking = [
      ...(config ? [] : ['config.json']),
      ...(preprocessor ? [] : ['preprocessor_config.json']),
      ...(weights.some(({ name }) => name.endsWith('.safetensors')) ? [] : ['a .safetensors file']),
    ];
    if (lacking.length > 0) {
      const found = files.map(({ name }) => name).join(', ') || 'no file';
      throw new Error(`Files of a checkpoint: expected ${lacking.join(', ')} as well, found ${found}; pick all of them together`);
    }
    const label = weights.find(({ name }) => name.endsWith('.safetensors')).name;
    return { label, config, preprocessor, videoPreprocessor: named('video_preprocessor_config.json'), weights };
  }

  #hub() {
    const model = this.#value('model').trim().replace(/^https:\/\/huggingface\.co\/([^/]+\/[^/]+)\/?$/, '$1');
    if (model === '') {
      throw new Error('Hub: the name of the model is missing, such as zai-org/GLM-OCR');
    }
    const given = (name) => this.#value(name).trim() || undefined;
    return { label: model, model, revision: given('revision'), token: given('token'), hub: given('hub') };
  }

  #value(name) {
    return this.#form.elements[name].value;
  }

  #showPanel() {
    const source = this.#value('source');
    for (const panel of this.#form.querySelectorAll('[data-source]')) {
      panel.hidden = panel.dataset.source !== source;
    }
  }
}
