import { imageFormats } from './glm4v_web.js';
import { Http } from './http.js';

/** The bytes of an image file, called `name` in errors. */
export async function fileBytes({ blob, bytes, url }, name) {
  if (url !== undefined) {
    return new Http().bytes(url);
  }
  if (bytes) {
    return bytes;
  }
  try {
    return new Uint8Array(await blob.arrayBuffer());
  } catch (cause) {
    throw new Error(
      `${name}: the file of ${blob.size} bytes cannot be read (${cause.message}); if it was moved or changed, pick it again`,
      { cause },
    );
  }
}

/** The pixels of an image file, decoded by the browser, in the orientation that the file stores. */
export async function pixelsOfFile(bytes, name) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(new Blob([bytes]), {
      colorSpaceConversion: 'none',
      premultiplyAlpha: 'none',
      imageOrientation: 'from-image',
    });
  } catch (cause) {
    throw new Error(
      `${name}: this browser cannot decode the ${bytes.length} bytes of the file (${cause.message}); ` +
      `decode: 'library' reads ${imageFormats().join(', ')}`,
      { cause },
    );
  }
  return rgbaOf(bitmap, name);
}

/** Red, green, blue and alpha of each pixel. Closes a bitmap or frame, which is the worker's own copy. */
export function rgbaOf(source, name) {
  if (source instanceof ImageData) {
    return { data: dataOf(source, name), width: source.width, height: source.height };
  }
  const { width, height } = sizeOf(source);
  let context;
  try {
    context = contextOf(width, height, name);
    context.drawImage(source, 0, 0);
  } finally {
    source.close();
  }
  return { data: dataOf(context.getImageData(0, 0, width, height), name), width, height };
}

/** Reads the pixels of one frame at a time, because most frames of a long video are never sampled. */
export function frameReader(frames) {
  const { width, height } = sizeOf(frames[0]);
  frames.forEach((frame, index) => {
    const found = sizeOf(frame);
    if (found.width !== width || found.height !== height) {
      throw new Error(
        `frame ${index}: expected ${width}×${height} like the first, found ${found.width}×${found.height}; all frames of a video must have one size`,
      );
    }
  });
  const context = contextOf(width, height, 'the video');
  const read = (index) => {
    if (frames[index] instanceof ImageData) {
      return dataOf(frames[index], `frame ${index}`);
    }
    context.clearRect(0, 0, width, height);
    context.drawImage(frames[index], 0, 0);
    return dataOf(context.getImageData(0, 0, width, height), `frame ${index}`);
  };
  return { width, height, read };
}

function contextOf(width, height, name) {
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  if (!context) {
    throw new Error(`${name}: the browser cannot create a canvas of ${width}×${height}; use a smaller size`);
  }
  return context;
}

function sizeOf(source) {
  return { width: source.displayWidth ?? source.width, height: source.displayHeight ?? source.height };
}

function dataOf({ data }, name) {
  if (!(data instanceof Uint8ClampedArray)) {
    throw new Error(`${name}: expected ImageData with 8 bits per channel, found ${data.constructor.name}`);
  }
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
