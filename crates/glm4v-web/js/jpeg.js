const START_OF_IMAGE = 0xffd8;
/** Markers of frames, one for each way of coding, but for the three numbers between them that mean tables. */
const FRAMES = [0xc0, 0xc1, 0xc2, 0xc3, 0xc5, 0xc6, 0xc7, 0xc9, 0xca, 0xcb, 0xcd, 0xce, 0xcf];

/**
 * Whether the bytes are a JPEG of one or three channels. Those of four (CMYK) are printer's pictures, of which every
 * browser makes other colours than the reference does.
 */
export function isJpeg(bytes) {
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
    // A marker may be preceded by any number of fill bytes; all others before the frame tell their length.
    at += marker === 0xff ? 1 : 2 + view.getUint16(at + 2);
  }
  return false;
}
