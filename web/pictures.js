/**
 * A picture's file, as the page shows it and as the encoder gets it: the file itself, which is decoded exactly,
 * or what the browser has scaled down to `longest` pixels (0: never).
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
