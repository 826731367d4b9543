import { onPhoto } from './camera.js';
import { Choices } from './choices.js';
import { element } from './elements.js';
import { showFacts } from './facts.js';
import { onFiles } from './files.js';
import { prepare, visibleShare } from './images.js';
import { markSample, onSample } from './samples.js';
import { download, fileName, npy, safetensors } from './save.js';
import { Session } from './session.js';
import { Similarity } from './similarity.js';
import { hideError, scrollToElement, showError, showStage, showStatus } from './status.js';
import { duration } from './text.js';
import { View } from './view.js';

const view = new View();
const session = new Session(showStage);
const choices = new Choices(load);
let weights = '';
let image = null;
let result = null;
/** Number of the latest task. Results of earlier tasks are dropped. */
let latest = 0;

onFiles(takeFiles);
onPhoto(encode, showError);
element('cancel').addEventListener('click', cancel);
element('save-npy').addEventListener('click', () => save('npy', npy(result.embeddings, result.shape)));
element('save-safetensors').addEventListener('click', () => save('safetensors', safetensors(result, metadata())));
window.addEventListener('pagehide', () => session.cancel());
choose();
onSample(encode).then((sample) => latest > 0 || encode(sample), showError);

/** Takes the options of the next encoder from the form. */
function choose() {
  const { label, options } = choices.chosen();
  weights = label;
  session.choose(options);
}

async function load() {
  try {
    choose();
  } catch (error) {
    showError(error);
    return;
  }
  hideError();
  scrollToElement('status-card');
  if (image) {
    await encode(image);
  }
}

function takeFiles(files) {
  const ofCheckpoint = files.filter(({ name }) => /\.(json|safetensors)$/.test(name));
  if (ofCheckpoint.length > 0) {
    choices.drop(ofCheckpoint);
    load();
  } else if (files.length > 0) {
    encode({ blob: files[0], name: files[0].name });
  }
}

/** Shows an image, encodes it, and shows its tokens. */
async function encode(chosen) {
  const task = ++latest;
  hideError();
  try {
    const prepared = await prepare(chosen, choices.longestSide);
    if (latest !== task) {
      return;
    }
    // If the browser cannot show the file, it may not be an image. The previous image stays until the encoder has read it.
    if (prepared.bitmap) {
      begin(chosen, prepared);
    }
    const encoder = await session.encoder();
    if (latest === task) {
      await encodeWith(encoder, chosen, prepared, task);
    }
  } catch (error) {
    if (latest === task) {
      showFailure(error, chosen);
    }
  }
}

function begin(chosen, prepared) {
  image = chosen;
  markSample(chosen);
  setResult(null);
  view.show(prepared);
  showFacts({ encoder: session.current, weights, image: prepared });
}

async function encodeWith(encoder, chosen, prepared, task) {
  showStatus(`Encoding ${prepared.name}`, { busy: true });
  const start = performance.now();
  const encoded = await encoder.encodeImage(prepared.input);
  const time = performance.now() - start;
  // Colors are three principal components, which need at least three tokens.
  const colors = encoded.shape[0] < 3 ? null : await encoder.colors(encoded);
  if (latest !== task) {
    return;
  }
  if (!prepared.bitmap) {
    begin(chosen, prepared);
  }
  const [[, h, w]] = encoded.gridThw;
  const [rows, columns] = [h / encoded.mergeSize, w / encoded.mergeSize];
  const visible = visibleShare(prepared, encoded.canvas[0]);
  view.showTokens({ rows, columns, visible, colors, similarity: new Similarity(encoded) }, prepared);
  setResult(encoded);
  showFacts({ encoder, weights, image: prepared, result });
  showStatus(`${encoded.shape[0]} tokens in ${duration(time)}`, { note: whyCpu(encoder) });
}

function whyCpu({ device: { fallback } }) {
  return fallback && `Computed on the CPU, without WebGPU: ${fallback}.`;
}

function showFailure(error, { name }) {
  const lost = !session.current || session.current.broken;
  showStatus(lost ? 'There is no encoder' : `${name} could not be encoded`);
  if (!result) {
    view.showFailure();
  }
  showError(error, lost ? load : null);
}

function cancel() {
  latest++;
  session.cancel();
  if (!result) {
    view.showFailure();
  }
  showStatus('Cancelled');
}

function setResult(encoded) {
  result = encoded;
  element('save-npy').disabled = element('save-safetensors').disabled = encoded === null;
}

function save(extension, blob) {
  download(blob, fileName(image.name, result.gridThw, extension));
}

function metadata() {
  return {
    format: 'glm4v',
    image: image.name,
    grid: result.gridThw[0].join('x'),
    merge_size: String(result.mergeSize),
    weights,
  };
}
