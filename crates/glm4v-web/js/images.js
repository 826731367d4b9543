/** What a caller may pass as a picture, as it is sent to the worker: a pair of the message and what it transfers. */
export function imageOf(image) {
  const pixels = asPixels(image);
  return pixels ? [pixels, []] : bytesOf(image);
}

/** A file's bytes, wherever they are. */
function bytesOf(image) {
  if (image instanceof Blob) {
    return [{ blob: image }, []];
  }
  if (image instanceof ArrayBuffer || ArrayBuffer.isView(image)) {
    // A copy, because a view would drag its whole buffer along, and the caller's buffer stays the caller's.
    const bytes = copyOf(image);
    return [{ bytes }, [bytes.buffer]];
  }
  if (typeof image === 'string' || image instanceof URL) {
    return [{ url: new URL(image, document.baseURI).href }, []];
  }
  throw new TypeError(
    `expected a picture as Blob, ArrayBuffer, Uint8Array, ImageData, ImageBitmap, VideoFrame or URL, found ${nameOf(image)}` +
    (isElement(image) ? '; createImageBitmap makes an ImageBitmap of it' : ''),
  );
}

/** A frame of a clip. */
export function pixelsOf(frame) {
  const pixels = asPixels(frame);
  if (!pixels) {
    throw new TypeError(`expected frames as ImageData, ImageBitmap or VideoFrame, found ${nameOf(frame)}`);
  }
  return pixels;
}

function asPixels(image) {
  const kinds = ['ImageData', 'ImageBitmap', 'VideoFrame'];
  return kinds.some((kind) => kind in globalThis && image instanceof globalThis[kind]) ? { pixels: image } : null;
}

function copyOf(bytes) {
  return bytes instanceof ArrayBuffer
    ? new Uint8Array(bytes.slice(0))
    : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength).slice();
}

function isElement(value) {
  return typeof Element !== 'undefined' && value instanceof Element;
}

function nameOf(value) {
  return value?.constructor?.name ?? String(value);
}
