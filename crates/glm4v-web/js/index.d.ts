/** A JSON file of a checkpoint: its URL (may be relative to the page), a picked file, its text, or the parsed object. */
export type JsonSource = string | URL | Blob | Record<string, unknown>;

/** A file of weights, or several; see {@link CreateOptions.weights}. */
export type WeightsSource = string | URL | Blob | readonly Blob[] | ReadableStream<Uint8Array>;

/** An encoded image file. A string is a URL. */
export type ImageFile = Blob | ArrayBuffer | ArrayBufferView | string | URL;

/** A decoded image. Use `createImageBitmap` for an element of the page. */
export type Pixels = ImageData | ImageBitmap | VideoFrame;

export type DeviceKind = 'webgpu' | 'wasm';
export type Dtype = 'f32' | 'f16';

/**
 * Options of {@link Encoder.create}. One of `preset`, `model` and `weights` is required. Options that contradict each
 * other are refused with a `TypeError`.
 */
export interface CreateOptions {
  /** Random weights of this configuration, such as `'tiny'`, `'small'` or `'medium'`. Needs no files and no network. */
  preset?: string;
  /** Seed of the random weights, from 0 to 2³² − 1. Default: 0. */
  seed?: number;

  /**
   * A checkpoint: `'owner/name'` on a hub, or the URL of a directory with `config.json`, `processor_config.json` or
   * `preprocessor_config.json`, and the weights (`model.safetensors`, or `model.safetensors.index.json` and its shards). Only the byte ranges that hold
   * the vision tower are fetched. Write `'./owner/name'` for a relative directory.
   */
  model?: string | URL;
  /** Branch, tag or commit of a model on a hub. Default: `'main'`. All files are read from the same commit. */
  revision?: string;
  /** Address of the hub. Default: `'https://huggingface.co'`. */
  hub?: string;
  /** Token for private and gated models. It is sent only to the hub's origin. */
  token?: string;

  /** Replaces the `config.json` beside the weights. Required if the weights have no address. */
  config?: JsonSource;
  /**
   * Replaces the `processor_config.json` beside the weights, which transformers 5 writes for images and videos. This or
   * `preprocessor` is required if the weights have no address.
   */
  processor?: JsonSource;
  /** The image processor, in place of the one that the files beside the weights have. */
  preprocessor?: JsonSource;
  /**
   * The video processor, in place of the one that the files beside the weights have. Without any configuration for videos, the
   * one for images is used.
   */
  videoPreprocessor?: JsonSource;
  /**
   * The weights, if they are not in the model's directory: the URL of a safetensors file or of an index, a picked file,
   * several picked files (shards, with or without their index), or a stream of one safetensors file.
   */
  weights?: WeightsSource;

  /** Default: the GPU, or the CPU if there is no GPU or only a software one. */
  device?: DeviceKind;
  /** Default: f16 if the device supports it and the weights are not random; otherwise f32. */
  dtype?: Dtype;
  /** Whether fetched weights are stored in the Cache API and used again. Default: true. */
  cache?: boolean;

  /** Called at every stage, and about twenty times a second while bytes arrive. */
  onProgress?: (progress: Progress) => void;
  /** Ends the worker; `create` then rejects with the signal's reason. */
  signal?: AbortSignal;
}

export interface Progress {
  /** `module`: the WebAssembly module. `config`: the JSON files. `ready`: the encoder is loaded. */
  stage: 'module' | 'device' | 'config' | 'weights' | 'ready';
  /** Bytes loaded in this stage. */
  loaded: number;
  /** Bytes of this stage; 0 if unknown. */
  total: number;
  /** Current bytes of WebAssembly memory; 0 before the module is loaded. */
  heap: number;
}

/**
 * Limits of the size of an image, or of all sampled frames of a video together. Larger inputs are reduced, smaller ones are
 * enlarged. The default is the model's setting. Limits in tokens and in pixels exclude each other.
 */
export interface Budget {
  /** Minimum number of tokens. */
  minTokens?: number;
  /** Maximum number of tokens. */
  maxTokens?: number;
  /** Minimum number of pixels, as `size.shortest_edge` counts them: an image counts twice, as two frames. */
  minPixels?: number;
  /** Maximum number of pixels, as `size.longest_edge` counts them. */
  maxPixels?: number;
}

export interface EncodeOptions extends Budget {
  /**
   * Which decoder reads image files. The library is exact for all its formats except JPEG, where its values differ by a
   * few levels. The browser reads more formats, such as AVIF, and is exact for JPEG if it uses libjpeg-turbo, as Chromium
   * does. Default: `'auto'`, the browser for JPEG and the library for all other formats.
   */
  decode?: 'auto' | 'library' | 'browser';
}

/** Embeddings of an image, of several images, or of a video. */
export interface Result {
  /** Row after row; `shape` is the number of rows and their width. */
  embeddings: Float32Array;
  /** Tokens and width. */
  shape: [tokens: number, width: number];
  /** Patches of each input: frames, rows and columns. Divide rows and columns by `mergeSize` for those of its tokens. */
  gridThw: [t: number, h: number, w: number][];
  /** Patches along each side of a token. */
  mergeSize: number;
  /**
   * Images only: the size in pixels of each image that its grid covers, after its orientation is applied. GLM-5.3 adds black
   * at the right and at the bottom, so that it exceeds the size of the image.
   */
  canvas?: [width: number, height: number][];
  /**
   * Milliseconds. `decode` is the time to fetch files and decode them in the browser. `preprocess` includes decoding by
   * the library. `tower` includes reading the embeddings back from the device.
   */
  times: { decode: number; preprocess: number; tower: number };
  /** Video only: seconds for the prompt, one for each step of the grid's `t`. */
  timestamps?: number[];
  /** Video only: indices of the sampled frames. */
  framesIndices?: number[];
}

/** The cost of encoding an image of a given size. */
export interface Plan {
  gridThw: [t: number, h: number, w: number];
  patches: number;
  tokens: number;
  /** Size after the resize, with the black that GLM-5.3 adds at the right and at the bottom. */
  resized: [width: number, height: number];
  /** `resized` in pixels of the image before the resize. */
  canvas: [width: number, height: number];
  /** Floating-point operations. */
  flops: number;
  weightBytes: number;
  activationBytes: number;
}

/** The device that runs the encoder. */
export interface DeviceInfo {
  kind: DeviceKind;
  name: string;
  /** Whether the device supports f16. */
  f16: boolean;
  /** Largest buffer in bytes; `Infinity` on the CPU. */
  maxBufferSize: number;
  /** Largest storage binding in bytes; `Infinity` on the CPU. */
  maxBinding: number;
  /** Why the CPU is used, if no device was requested. */
  fallback?: string;
}

/**
 * The vision encoder in its own worker. Calls are answered in order. After a lost device or a failure of the module every
 * call rejects with the reason; then create another encoder.
 */
export class Encoder {
  private constructor();

  /** Loads the module, opens the device and loads the weights. */
  static create(options: CreateOptions): Promise<Encoder>;

  /** Encodes one image. */
  encodeImage(image: ImageFile | Pixels, options?: EncodeOptions): Promise<Result>;
  /** Encodes images of any sizes. The rows of the result are in the order of the images. */
  encodeImages(images: readonly (ImageFile | Pixels)[], options?: EncodeOptions): Promise<Result>;
  /** Encodes a video. Pass all its frames, of one size, and its frames per second; the encoder samples them. */
  encodeFrames(frames: readonly Pixels[], fps: number, options?: Budget): Promise<Result>;
  /** The cost of an image of this size. Rejects if the model does not support the size. */
  plan(width: number, height: number, options?: Budget): Promise<Plan>;
  /** Red, green and blue for each row, from its first three principal components. Similar rows get similar colors. */
  colors(result: Pick<Result, 'embeddings' | 'shape'>): Promise<Uint8Array>;
  /** Ends the worker and frees the device's memory. Pending calls reject. */
  free(): void;

  /** Whether every call rejects, because the device or the module failed or the encoder was freed. */
  readonly broken: boolean;
  readonly device: DeviceInfo;
  readonly dtype: Dtype;
  /** The vision tower's configuration, with the names of `config.json`. */
  readonly config: Record<string, unknown>;
  /** The names that `preset` accepts, smallest first. */
  readonly presets: readonly string[];
  /** Names of the image formats that the library decodes. */
  readonly imageFormats: readonly string[];
  /** Version of the library. */
  readonly version: string;
  /** Milliseconds of each loading stage. */
  readonly times: Partial<Record<Progress['stage'], number>>;
}

/** Removes the weights that this package has cached for this origin. Resolves to whether there were any. */
export function clearCache(): Promise<boolean>;
