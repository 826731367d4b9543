import { element } from './elements.js';
import { duration } from './text.js';

/** Shows the properties of the encoder and of the image, and the times. */
export function showFacts({ encoder, weights, image, result }) {
  const facts = [];
  if (image) {
    facts.push(['Image', image.name], ['Size', image.size ? sizeOf(image) : 'unknown to this browser']);
  }
  if (result) {
    const [[t, h, w]] = result.gridThw;
    facts.push(['Grid', `${t} × ${h} × ${w} patches`], ['Tokens', `${result.shape[0]} of width ${result.shape[1]}`]);
  }
  if (encoder) {
    const { device, dtype } = encoder;
    facts.push(['Device', device.kind === 'webgpu' ? `GPU: ${device.name}` : device.name], ['Weights', `${weights}, ${dtype}`]);
  }
  element('facts').replaceChildren(...facts.flatMap(([name, value]) => [text('dt', name), text('dd', value)]));
  showTimes(encoder, result);
}

function showTimes(encoder, result) {
  const { module = 0, device = 0, config = 0, weights = 0 } = encoder?.times ?? {};
  const loading = encoder ? [['Module and device', module + device], ['Weights', config + weights]] : [];
  const { decode, preprocess, tower } = result?.times ?? {};
  const encoding = result ? [['Decode', decode], ['Preprocess', preprocess], ['Encoder', tower]] : [];
  const longest = Math.max(...[...loading, ...encoding].map(([, time]) => time), 1);
  element('times-title').hidden = loading.length === 0;
  element('times').tBodies[0].replaceChildren(...[...loading, ...encoding].map(([name, time]) => row(name, time, longest)));
}

function row(name, time, longest) {
  const head = text('th', name);
  head.scope = 'row';
  const bar = document.createElement('td');
  bar.className = 'bar';
  bar.append(document.createElement('span'));
  bar.firstChild.style.width = `${100 * time / longest}%`;
  const line = document.createElement('tr');
  line.append(head, bar, text('td', duration(time)));
  return line;
}

function sizeOf({ size: [width, height], scaled }) {
  return scaled ? `${width} × ${height}, scaled to ${scaled.join(' × ')}` : `${width} × ${height}`;
}

function text(tag, content) {
  const node = document.createElement(tag);
  node.textContent = content;
  return node;
}
