/** Where the bytes of a checkpoint are: a URL (also relative to the page), a picked file, or the text itself. */
export type JsonSource = string | URL | Blob | Record<string, unknown>;

/** A file of weights, or several; see {@link CreateOptions.weights}. */
export type WeightsSource = string | URL | Blob | readonly Blob[] | ReadableStream<Uint8Array>;

/** A picture's file, undecoded. A string is a URL. */
export type PictureFile = Blob | ArrayBuffer | ArrayBufferView | string | URL;

/** A picture as pixels. An element goes through `createImageBitmap`. */
export type Pixels = ImageData | ImageBitmap | VideoFrame;

export type DeviceKind = 'webgpu' | 'wasm';
export type Dtype = 'f32' | 'f16';

/**
 * What {@link Encoder.create} makes an encoder of. It needs one of `preset`, `model` and `weights`; combinations that
 * make no sense are refused with a `TypeError`.
 */
export interface CreateOptions {
  /** Random weights of this configuration, such as `'tiny'`, `'small'` or `'medium'`: works at once and offline. */
  preset?: string;
  /** Of the random weights, from 0 to 2³² − 1; 0 unless given. */
  seed?: number;

  /**
   * A checkpoint: `'owner/name'` on a hub, or the URL of a directory with `config.json`, `preprocessor_config.json` and
   * the weights (`model.safetensors`, or `model.safetensors.index.json` and its shards). Of large files only the ranges
   * that hold the vision tower are fetched. A relative directory of that form is written `'./owner/name'`.
   */
  model?: string | URL;
  /** Branch, tag or commit of a model on a hub; `'main'` unless given. All files are read of the commit that it is now. */
  revision?: string;
  /** `'https://huggingface.co'` unless given. */
  hub?: string;
  /** For private and gated models. It is sent to the hub's origin and nowhere else. */
  token?: string;

  /** In place of the `config.json` beside the weights; needed where the weights have no address. */
  config?: JsonSource;
  /** In place of the `preprocessor_config.json` beside the weights; needed where the weights have no address. */
  preprocessor?: JsonSource;
  /** In place of the `video_preprocessor_config.json` beside the weights, which older checkpoints do not have. */
  videoPreprocessor?: JsonSource;
  /**
   * The weights, where they are not in the model's directory: the URL of a safetensors file or of an index, a file that
   * the user picked, several of them (shards, with or without their index), or a stream of one safetensors file.
   */
  weights?: WeightsSource;

  /** The GPU where there is one that is not played by the CPU, and otherwise the CPU, unless given. */
  device?: DeviceKind;
  /** f16 where the device computes in it and the weights are not random, and otherwise f32, unless given. */
  dtype?: Dtype;
  /** Whether fetched weights are kept in the Cache API, for the next time; true unless given. */
  cache?: boolean;

  /** Told of every stage, and of its bytes about twenty times a second. */
  onProgress?: (progress: Progress) => void;
  /** Ends the worker; `create` rejects with the signal's reason. */
  signal?: AbortSignal;
}

export interface Progress {
  /** `module`: the WebAssembly; `config`: the JSON files; `ready`: there is nothing left to do. */
  stage: 'module' | 'device' | 'config' | 'weights' | 'ready';
  /** Bytes so far. */
  loaded: number;
  /** Bytes in all; 0 where nobody says. */
  total: number;
  /** Bytes of WebAssembly memory at this moment; 0 before there is any. */
  heap: number;
}

export interface EncodeOptions {
  /**
   * Who decodes a file. The library is exact for all formats but JPEG, of which it differs by a few levels; the browser
   * reads more (AVIF) and is exact for JPEG where it uses libjpeg-turbo, as Chromium does. `'auto'`, unless given, has
   * the browser decode JPEG and the library all else.
   */
  decode?: 'auto' | 'library' | 'browser';
}

/** Embeddings of a picture, of a batch, or of a clip. */
export interface Result {
  /** Row after row; `shape` says how many of what width. */
  embeddings: Float32Array;
  /** Tokens, width. */
  shape: [tokens: number, width: number];
  /** Patches of each input as frames, rows, columns. Rows and columns of its tokens are those divided by `mergeSize`. */
  gridThw: [t: number, h: number, w: number][];
  /** Patches on a token's side. */
  mergeSize: number;
  /** Milliseconds. `tower` includes reading the result back from the device. */
  times: { decode: number; preprocess: number; tower: number };
  /** Of a clip: seconds at which the frames that were taken are shown. */
  timestamps?: number[];
  /** Of a clip: the frames that were taken. */
  framesIndices?: number[];
}

/** What a picture of some size will cost. */
export interface Plan {
  gridThw: [t: number, h: number, w: number];
  patches: number;
  tokens: number;
  /** Width and height that the picture is resized to. */
  resized: [width: number, height: number];
  /** Floating-point operations. */
  flops: number;
  weightBytes: number;
  activationBytes: number;
}

/** The device that computes. */
export interface DeviceInfo {
  kind: DeviceKind;
  name: string;
  /** Whether it computes in f16. */
  f16: boolean;
  /** Bytes; `Infinity` on the CPU. */
  maxBufferSize: number;
  /** Bytes of one storage binding; `Infinity` on the CPU. */
  maxBinding: number;
  /** Why it is the CPU although nobody asked for it. */
  fallback?: string;
}

/**
 * The vision encoder, in a worker of its own. Calls are answered in order. After a lost device or a failure of the
 * module every call rejects, and says so: make another encoder then.
 */
export class Encoder {
  private constructor();

  /** Loads the module, opens the device and loads the weights. */
  static create(options: CreateOptions): Promise<Encoder>;

  /** Embeddings of one picture. */
  encodeImage(image: PictureFile | Pixels, options?: EncodeOptions): Promise<Result>;
  /** Embeddings of pictures of any sizes, packed into one batch. */
  encodeImages(images: readonly (PictureFile | Pixels)[], options?: EncodeOptions): Promise<Result>;
  /** Embeddings of a clip: all its frames, of one size, at `fps` frames a second. Those that count are chosen here. */
  encodeFrames(frames: readonly Pixels[], fps: number): Promise<Result>;
  /** What a picture of this size will cost; rejects for a size that the model does not take. */
  plan(width: number, height: number): Promise<Plan>;
  /** Red, green and blue of each row by its first three principal components: what is alike has like colours. */
  colours(result: Pick<Result, 'embeddings' | 'shape'>): Promise<Uint8Array>;
  /** Ends the worker and with it the device's memory. Pending calls reject. */
  free(): void;

  /** Whether the device or the module has failed, or the encoder was freed, so that every call rejects. */
  readonly broken: boolean;
  readonly device: DeviceInfo;
  readonly dtype: Dtype;
  /** The vision tower's configuration, named as in `config.json`. */
  readonly config: Record<string, unknown>;
  /** Names that `preset` takes, smallest first. */
  readonly presets: readonly string[];
  /** Of the library. */
  readonly version: string;
  /** Milliseconds that each stage of loading took. */
  readonly times: Partial<Record<Progress['stage'], number>>;
}

/** Removes the weights that the package has kept for this origin; whether there were any. */
export function clearCache(): Promise<boolean>;
