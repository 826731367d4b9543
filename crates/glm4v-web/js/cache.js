const NAME = 'glm4v-weights';
const VERSION = 'glm4v-version';
const RANGE = 'glm4v-range';

/** Removes the weights that the package has kept for this origin. */
export async function clearCache() {
  return globalThis.caches ? caches.delete(NAME) : false;
}

/** Ranges of files that were fetched before. Without a cache, or with a full one, all goes on without. */
export class ChunkCache {
  #cache;

  constructor(cache = null) {
    this.#cache = cache;
  }

  static async open(wanted) {
    try {
      return new ChunkCache(wanted && globalThis.caches ? await caches.open(NAME) : null);
    } catch {
      return new ChunkCache();
    }
  }

  /** The ranges of one version of a file. Without a version nobody could tell whether they are of the same file. */
  async file(url, version) {
    const usable = version !== undefined && this.#cache && url.startsWith('http');
    if (usable) {
      await forgetOthers(this.#cache, url, version).catch(() => {});
    }
    return new FileChunks(usable ? this.#cache : null, url, version);
  }
}

class FileChunks {
  #cache;
  #url;
  #version;

  constructor(cache, url, version) {
    [this.#cache, this.#url, this.#version] = [cache, url, version];
  }

  async read(start, end) {
    try {
      const kept = await this.#cache?.match(this.#key(start, end));
      const bytes = kept && new Uint8Array(await kept.arrayBuffer());
      return bytes?.length === end - start ? bytes : undefined;
    } catch {
      return undefined;
    }
  }

  async write(start, end, bytes) {
    try {
      await this.#cache?.put(this.#key(start, end), new Response(bytes));
    } catch {
      // Most likely the quota: the rest would not fit either.
      this.#cache = null;
    }
  }

  #key(start, end) {
    const key = new URL(this.#url);
    key.searchParams.set(VERSION, this.#version);
    key.searchParams.set(RANGE, `${start}-${end}`);
    return key.href;
  }
}

/** An older version of a file would fill the quota for nothing. */
async function forgetOthers(cache, url, version) {
  for (const request of await cache.keys()) {
    const key = new URL(request.url);
    const kept = key.searchParams.get(VERSION);
    key.searchParams.delete(VERSION);
    key.searchParams.delete(RANGE);
    if (kept !== version && key.href === new URL(url).href) {
      await cache.delete(request);
    }
  }
}
