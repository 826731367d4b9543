import { viridis } from './colormap.js';

/** Paints one pixel for each token. CSS enlarges the canvas to the image's size. */
export function paintColors(canvas, { rows, columns }, rgb) {
  paint(canvas, rows, columns, (token) => rgb.subarray(3 * token, 3 * token + 3));
}

export function paintSimilarity(canvas, { rows, columns }, values, { low, high }) {
  const scale = high > low ? 1 / (high - low) : 0;
  paint(canvas, rows, columns, (token) => viridis((values[token] - low) * scale));
}

export function clear(canvas) {
  [canvas.width, canvas.height] = [1, 1];
}

function paint(canvas, rows, columns, colorOf) {
  const image = new ImageData(columns, rows);
  for (let token = 0; token < rows * columns; token++) {
    image.data.set(colorOf(token), 4 * token);
    image.data[4 * token + 3] = 255;
  }
  [canvas.width, canvas.height] = [columns, rows];
  canvas.getContext('2d').putImageData(image, 0, 0);
}
