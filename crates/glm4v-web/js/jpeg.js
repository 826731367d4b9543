const START_OF_IMAGE = 0xffd8;
/** Markers that begin a frame, one for each coding method. The three numbers left out are markers of tables. */
const FRAMES = [0xc0, 0xc1, 0xc2, 0xc3, 0xc5, 0xc6, 0xc7, 0xc9, 0xca, 0xcb, 0xcd, 0xce, 0xcf];

/**
 * Whether the browser decodes these bytes exactly: a JPEG of one or three channels. JPEGs of four channels (CMYK) are
 * left to the module, because browsers convert their colors differently from the reference.
 */
export function isExactInBrowser(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 4 || view.getUint16(0) !== START_OF_IMAGE) {
    return false;
  }
  let at = 2;
  while (at + 10 <= bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1];
    if (FRAMES.includes(marker)) {
      return bytes[at + 9] !== 4;
    }
    // Fill bytes (0xff) may precede a marker. Every other marker before the frame stores its length.
    at += marker === 0xff ? 1 : 2 + view.getUint16(at + 2);
  }
  return false;
}
