import { viridis } from './colormap.js';

/** A pixel for each token, which CSS enlarges to the picture's size. */
export function paintColours(canvas, { rows, columns }, rgb) {
  paint(canvas, rows, columns, (token) => rgb.subarray(3 * token, 3 * token + 3));
}

export function paintSimilarity(canvas, { rows, columns }, values, { low, high }) {
  const scale = high > low ? 1 / (high - low) : 0;
  paint(canvas, rows, columns, (token) => viridis((values[token] - low) * scale));
}

export function clear(canvas) {
  [canvas.width, canvas.height] = [1, 1];
}

function paint(canvas, rows, columns, colourOf) {
  const image = new ImageData(columns, rows);
  for (let token = 0; token < rows * columns; token++) {
    image.data.set(colourOf(token), 4 * token);
    image.data[4 * token + 3] = 255;
  }
  [canvas.width, canvas.height] = [columns, rows];
  canvas.getContext('2d').putImageData(image, 0, 0);
}
