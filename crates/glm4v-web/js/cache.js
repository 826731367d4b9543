const NAME = 'glm4v-weights';
const VERSION = 'glm4v-version';
const RANGE = 'glm4v-range';

/** Removes the weights that this package has cached for this origin. */
export async function clearCache() {
  return globalThis.caches ? caches.delete(NAME) : false;
}

/** Cached ranges of files. If there is no cache, or the cache is full, loading continues without it. */
export class ChunkCache {
  #cache;

  constructor(cache = null) {
    this.#cache = cache;
  }

  static async open(enabled) {
    try {
      return new ChunkCache(enabled && globalThis.caches ? await caches.open(NAME) : null);
    } catch {
      return new ChunkCache();
    }
  }

  /** The cached ranges of one version of a file. A file whose version is unknown is not cached: it may have changed. */
  async file(url, version) {
    const usable = version !== undefined && this.#cache && url.startsWith('http');
    if (usable) {
      await deleteOtherVersions(this.#cache, url, version).catch(() => {});
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
      const response = await this.#cache?.match(this.#key(start, end));
      const bytes = response && new Uint8Array(await response.arrayBuffer());
      return bytes?.length === end - start ? bytes : undefined;
    } catch {
      return undefined;
    }
  }

  async write(start, end, bytes) {
    try {
      await this.#cache?.put(this.#key(start, end), new Response(bytes));
    } catch {
      // Most likely the quota is used up. Later chunks would fail too.
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

/** Old versions of a file are never read again, but they count against the quota. */
async function deleteOtherVersions(cache, url, version) {
  for (const request of await cache.keys()) {
    const cached = new URL(request.url).searchParams.get(VERSION);
    if (cached !== version && unversioned(request.url, cached) === unversioned(url, version)) {
      await cache.delete(request);
    }
  }
}

/**
 * What the addresses of all versions have in common. The version of a hub's file is the commit, which is a directory in the
 * address: then this is the address of the repository, because another commit may have shards of other names.
 */
function unversioned(url, version) {
  const file = new URL(url);
  file.searchParams.delete(VERSION);
  file.searchParams.delete(RANGE);
  return file.href.split(`/${version}/`)[0];
}
