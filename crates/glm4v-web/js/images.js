import { urlOf } from './options.js';

/** A caller's image as it is sent to the worker: the message, and the buffers that it transfers. */
export function imageOf(image) {
  const pixels = asPixels(image);
  return pixels ? [pixels, []] : fileOf(image);
}

/** An image file, wherever its bytes are. */
function fileOf(image) {
  if (image instanceof Blob) {
    return [{ blob: image }, []];
  }
  if (image instanceof ArrayBuffer || ArrayBuffer.isView(image)) {
    // A copy: transferring the caller's buffer would take it away, and sending a view would copy its whole buffer.
    const bytes = copyOf(image);
    return [{ bytes }, [bytes.buffer]];
  }
  if (typeof image === 'string' || image instanceof URL) {
    return [{ url: urlOf('the image', image).href }, []];
  }
  throw new TypeError(
    `expected an image as Blob, ArrayBuffer, Uint8Array, ImageData, ImageBitmap, VideoFrame or URL, found ${nameOf(image)}` +
    (isElement(image) ? '; createImageBitmap makes an ImageBitmap of it' : ''),
  );
}

/** A frame of a video. */
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
