import { onPhoto } from './camera.js';
import { Choices } from './choices.js';
import { element } from './elements.js';
import { showFacts } from './facts.js';
import { onFiles } from './pick.js';
import { prepare } from './pictures.js';
import { markSample, onSample } from './samples.js';
import { download, fileName, npy, safetensors } from './save.js';
import { Session } from './session.js';
import { Similarity } from './similarity.js';
import { bringIntoView, complain, forgive, say, sayStage } from './status.js';
import { duration } from './text.js';
import { View } from './view.js';

const view = new View();
const session = new Session(sayStage);
const choices = new Choices(load);
let weights = '';
let picture = null;
let result = null;
/** What was begun before the latest turn is of no use any more. */
let turn = 0;

onFiles(takeFiles);
onPhoto(encode, complain);
element('cancel').addEventListener('click', cancel);
element('save-npy').addEventListener('click', () => save('npy', npy(result.embeddings, result.shape)));
element('save-safetensors').addEventListener('click', () => save('safetensors', safetensors(result, metadata())));
window.addEventListener('pagehide', () => session.cancel());
choose();
onSample(encode).then((sample) => turn > 0 || encode(sample), complain);

/** What the form says becomes the next encoder's. */
function choose() {
  const { label, options } = choices.chosen();
  weights = label;
  session.choose(options);
}

async function load() {
  try {
    choose();
  } catch (error) {
    complain(error);
    return;
  }
  forgive();
  bringIntoView('status-card');
  if (picture) {
    await encode(picture);
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

/** Shows a picture, and what the encoder makes of it. */
async function encode(chosen) {
  const mine = ++turn;
  forgive();
  try {
    const prepared = await prepare(chosen, choices.longestSide);
    if (turn !== mine) {
      return;
    }
    // What the browser cannot show may be no picture at all: the one before stays until that is known.
    if (prepared.bitmap) {
      begin(chosen, prepared);
    }
    const encoder = await session.encoder();
    if (turn === mine) {
      await look(encoder, chosen, prepared, mine);
    }
  } catch (error) {
    if (turn === mine) {
      failed(error, chosen);
    }
  }
}

function begin(chosen, prepared) {
  picture = chosen;
  markSample(chosen);
  setResult(null);
  view.show(prepared);
  showFacts({ encoder: session.current, weights, picture: prepared });
}

async function look(encoder, chosen, prepared, mine) {
  say(`Encoding ${prepared.name}`, { busy: true });
  const start = performance.now();
  const found = await encoder.encodeImage(prepared.input);
  const time = performance.now() - start;
  // Fewer have no three directions in which they could differ.
  const colours = found.shape[0] < 3 ? null : await encoder.colours(found);
  if (turn !== mine) {
    return;
  }
  if (!prepared.bitmap) {
    begin(chosen, prepared);
  }
  const [[, h, w]] = found.gridThw;
  const [rows, columns] = [h / found.mergeSize, w / found.mergeSize];
  view.reveal({ rows, columns, colours, similarity: new Similarity(found) }, { ...prepared, resized: [columns, rows] });
  setResult(found);
  showFacts({ encoder, weights, picture: prepared, result });
  say(`${found.shape[0]} tokens in ${duration(time)}`, { note: whyCpu(encoder) });
}

function whyCpu({ device: { fallback } }) {
  return fallback && `Computed on the CPU, without WebGPU: ${fallback}.`;
}

function failed(error, { name }) {
  const lost = !session.current || session.current.broken;
  say(lost ? 'There is no encoder' : `${name} could not be encoded`);
  if (!result) {
    view.refuse();
  }
  complain(error, lost ? load : null);
}

function cancel() {
  turn++;
  session.cancel();
  if (!result) {
    view.refuse();
  }
  say('Cancelled');
}

function setResult(found) {
  result = found;
  element('save-npy').disabled = element('save-safetensors').disabled = found === null;
}

function save(ending, blob) {
  download(blob, fileName(picture.name, result.gridThw, ending));
}

function metadata() {
  return {
    format: 'glm4v',
    picture: picture.name,
    grid: result.gridThw[0].join('x'),
    merge_size: String(result.mergeSize),
    weights,
  };
}
