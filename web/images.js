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
