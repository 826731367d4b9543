import { element } from './elements.js';

const SAMPLES = [
  { name: 'cat.jpg', label: 'A cat', open: () => fetched('samples/cat.jpg') },
  { name: 'coffee.jpg', label: 'A cup of coffee', open: () => fetched('samples/coffee.jpg') },
  { name: 'shapes.png', label: 'Shapes', open: drawn },
];

/** Adds a button for each sample image. Resolves to the first sample. */
export async function onSample(take) {
  const samples = await Promise.all(SAMPLES.map(async ({ name, label, open }) => ({ name, label, blob: await open() })));
  element('samples').replaceChildren(...samples.map((sample) => button(sample, take)));
  return samples[0];
}

/** Marks the button of the sample that is shown, if it is one. */
export function markSample({ name }) {
  for (const button of element('samples').children) {
    button.setAttribute('aria-pressed', button.dataset.name === name);
  }
}

function button(sample, take) {
  const image = new Image();
  image.src = URL.createObjectURL(sample.blob);
  image.alt = sample.label;
  const node = document.createElement('button');
  node.type = 'button';
  node.dataset.name = sample.name;
  node.append(image);
  node.addEventListener('click', () => take(sample));
  return node;
}

async function fetched(url) {
  const response = await fetch(url);
  if (!response.ok) {
    throw new Error(`${url}: the sample image cannot be loaded (status ${response.status}); open another image`);
  }
  return response.blob();
}

/** Draws repeated shapes. Their similarity can be checked by eye. */
function drawn() {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [448, 336];
  const context = canvas.getContext('2d');
  const sky = context.createLinearGradient(0, 0, 0, 336);
  sky.addColorStop(0, '#f3e3c3');
  sky.addColorStop(1, '#c9d7cf');
  context.fillStyle = sky;
  context.fillRect(0, 0, 448, 336);
  disc(context, 112, 112, '#c8553d');
  disc(context, 336, 224, '#c8553d');
  disc(context, 336, 98, '#2d6a6a');
  context.fillStyle = '#2b3a4a';
  context.fillRect(56, 196, 112, 84);
  context.fillStyle = '#e9b44c';
  for (let column = 0; column < 6; column++) {
    context.fillRect(200 + 12 * column, 140, 6, 140);
  }
  return new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));
}

function disc(context, x, y, color) {
  context.fillStyle = color;
  context.beginPath();
  context.arc(x, y, 56, 0, 2 * Math.PI);
  context.fill();
}
