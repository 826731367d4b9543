import { element } from './elements.js';

/** The form: the source of the weights, the device, and the longest side of an image. */
export class Choices {
  #form = element('choices');
  /** Dropped files are kept here, because a script cannot put them into the input. */
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

  /** Selects files of a checkpoint that were dropped on the page. */
  drop(files) {
    this.#dropped = files;
    this.#form.elements.source.value = 'files';
    this.#showPanel();
  }

  /** The longest side of an image in pixels; 0 for no limit. */
  get longestSide() {
    return Number(this.#value('side'));
  }

  /** The encoder's options, and a label for the weights. */
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
    const [config, processor, preprocessor] = ['config.json', 'processor_config.json', 'preprocessor_config.json'].map(named);
    const weights = files.filter(({ name }) => name.endsWith('.safetensors') || name.endsWith('.index.json'));
    const missing = [
      ...(config ? [] : ['config.json']),
      ...(processor ?? preprocessor ? [] : ['preprocessor_config.json']),
      ...(weights.some(({ name }) => name.endsWith('.safetensors')) ? [] : ['a .safetensors file']),
    ];
    if (missing.length > 0) {
      const found = files.map(({ name }) => name).join(', ') || 'no file';
      throw new Error(`Files of a checkpoint: ${missing.join(', ')} missing, found ${found}; pick all files together`);
    }
    const label = weights.find(({ name }) => name.endsWith('.safetensors')).name;
    const videoPreprocessor = named('video_preprocessor_config.json');
    return { label, config, processor, preprocessor, videoPreprocessor, weights };
  }

  #hub() {
    const model = this.#value('model').trim().replace(/^https:\/\/huggingface\.co\/([^/]+\/[^/]+)\/?$/, '$1');
    if (model === '') {
      throw new Error('Hub: enter the name of a model, such as zai-org/GLM-OCR');
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
