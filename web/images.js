/**
 * Prepares an image file for display and for the encoder. The encoder's `input` is the file itself, which is decoded
 * exactly. If a side is longer than `longest` pixels, it is a copy that the browser scaled down (0: never).
 */
export async function prepare({ blob, name }, longest) {
  const bitmap = await createImageBitmap(blob).catch(() => null);
  if (!bitmap) {
    return { name, bitmap, size: null, scaled: null, input: blob };
  }
  const size = [bitmap.width, bitmap.height];
  const scale = longest / Math.max(...size);
  if (longest === 0 || scale >= 1) {
    return { name, bitmap, size, scaled: null, input: blob };
  }
  const [resizeWidth, resizeHeight] = size.map((side) => Math.max(1, Math.round(side * scale)));
  const input = await createImageBitmap(bitmap, { resizeWidth, resizeHeight, resizeQuality: 'high' });
  return { name, bitmap, size, scaled: [resizeWidth, resizeHeight], input };
}

/**
 * The shares of the canvas's width and height that the image fills. GLM-5.3 adds black at the right and at the bottom. An image
 * that the browser cannot show has no size here, and its canvas is shown as a whole.
 */
export function visibleShare({ size, scaled }, canvas) {
  const encoded = scaled ?? size ?? canvas;
  return { x: Math.min(1, encoded[0] / canvas[0]), y: Math.min(1, encoded[1] / canvas[1]) };
}
