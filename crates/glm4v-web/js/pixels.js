import { Http } from './http.js';

/** The bytes of a picture's file, from where they are. */
export async function fileBytes({ blob, bytes, url }) {
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
      `${blob.name ?? 'the picture'}: expected ${blob.size} readable bytes, found: ${cause.message}; was the file moved or changed? pick it again`,
      { cause },
    );
  }
}

/** A picture as the browser's own decoder sees it, in the orientation that the file asks for. */
export async function pixelsOfFile(file) {
  const blob = new Blob([await fileBytes(file)]);
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, {
      colorSpaceConversion: 'none',
      premultiplyAlpha: 'none',
      imageOrientation: 'from-image',
    });
  } catch (cause) {
    const name = file.url ?? file.blob?.name ?? 'the picture';
    throw new Error(
      `${name}: expected a picture that this browser decodes, found ${blob.size} bytes that it does not (${cause.message}); ` +
      "decode: 'library' reads PNG, JPEG, WebP, GIF, BMP and TIFF",
      { cause },
    );
  }
  return rgbaOf(bitmap);
}

/** Red, green, blue and opacity of each pixel. A bitmap or frame, which is the worker's own copy, is closed. */
export function rgbaOf(source) {
  if (source instanceof ImageData) {
    return { data: dataOf(source), width: source.width, height: source.height };
  }
  const { width, height } = sizeOf(source);
  const context = contextOf(width, height);
  context.drawImage(source, 0, 0);
  source.close();
  return { data: dataOf(context.getImageData(0, 0, width, height)), width, height };
}

/** Frames of one size, each turned into pixels when it is asked for: most of a long clip never are. */
export function frameReader(frames) {
  const { width, height } = sizeOf(frames[0]);
  frames.forEach((frame, index) => {
    const found = sizeOf(frame);
    if (found.width !== width || found.height !== height) {
      throw new Error(
        `frame ${index}: expected ${width}×${height} like the first, found ${found.width}×${found.height}; a clip has one size`,
      );
    }
  });
  const context = contextOf(width, height);
  const read = (index) => {
    if (frames[index] instanceof ImageData) {
      return dataOf(frames[index]);
    }
    context.clearRect(0, 0, width, height);
    context.drawImage(frames[index], 0, 0);
    return dataOf(context.getImageData(0, 0, width, height));
  };
  return { width, height, read };
}

function contextOf(width, height) {
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  if (!context) {
    throw new Error(`expected a canvas of ${width}×${height}, found that the browser gives none of that size; take a smaller picture`);
  }
  return context;
}

function sizeOf(source) {
  return { width: source.displayWidth ?? source.width, height: source.displayHeight ?? source.height };
}

function dataOf({ data }) {
  if (!(data instanceof Uint8ClampedArray)) {
    throw new Error(`expected ImageData of 8 bits a channel, found ${data.constructor.name}`);
  }
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
