import { displayUrl, isUnreachable, isWebPage, TransientError, webPageError } from './http.js';
import { StreamFile } from './stream-file.js';

/** Bytes of the first request: enough for most headers, so that one request describes a file. */
const FIRST_BYTES = 256 * 1024;

/** Opens the file at `url`, which is read by ranges if the server supports them. With `optional`, a missing file gives null. */
export async function openUrl(url, { http, cache, version, optional = false }) {
  return http.retrying(async () => {
    const response = await http.get(url, { range: [0, FIRST_BYTES], optional });
    if (response === null) {
      return null;
    }
    if (isWebPage(response)) {
      response.body?.cancel().catch(() => {});
      throw webPageError(url);
    }
    if (response.status !== 206) {
      return streamed(url, response, http);
    }
    const { last, total } = contentRange(url, response, 0, FIRST_BYTES, true);
    const first = await wholeBody(url, response, last === undefined ? undefined : last + 1, FIRST_BYTES);
    const length = total ?? (first.length < FIRST_BYTES ? first.length : undefined);
    const cached = await cache.file(url, version ?? versionOf(response, length));
    return new RangedFile(url, { length, first, etag: response.headers.get('etag'), http, cached });
  }, isUnreachable);
}

/** A file on a server that supports ranges. */
class RangedFile {
  sequential = false;
  #url;
  #first;
  #etag;
  #http;
  #cached;

  constructor(url, { length, first, etag, http, cached }) {
    this.name = displayUrl(url);
    this.length = length;
    [this.#url, this.#first, this.#etag, this.#http, this.#cached] = [url, first, etag, http, cached];
  }

  async read(start, end, count = () => {}) {
    if (this.length !== undefined && end > this.length) {
      throw new Error(`${this.name}: the file is incomplete: expected at least ${end} bytes, found ${this.length}`);
    }
    const local = end <= this.#first.length ? this.#first.slice(start, end) : await this.#cached.read(start, end);
    if (local) {
      count(local.length);
      return local;
    }
    const bytes = await this.#http.retrying(() => this.#fetch(start, end, count));
    await this.#cached.write(start, end, bytes);
    return bytes;
  }

  async #fetch(start, end, count) {
    const response = await this.#http.get(this.#url, { range: [start, end] });
    try {
      this.#check(response, start, end);
    } catch (error) {
      response.body?.cancel().catch(() => {});
      throw error;
    }
    return wholeBody(this.#url, response, end - start, end - start, count);
  }

  #check(response, start, end) {
    if (response.status !== 206) {
      throw new Error(
        `${this.name}: the server stopped supporting ranges: expected status 206 for bytes ${start} to ${end}, ` +
        `found ${response.status}; load the model again`,
      );
    }
    const { total } = contentRange(this.#url, response, start, end, false);
    const etag = response.headers.get('etag');
    if ((this.length !== undefined && total !== undefined && total !== this.length) || etag !== this.#etag) {
      throw new Error(
        `${this.name}: the file changed while it was read: expected ${this.length} bytes (${this.#etag}), ` +
        `found ${total} (${etag}); load the model again`,
      );
    }
  }
}

function streamed(url, response, http) {
  const header = response.headers;
  // The content-length of a compressed response is not the file's length.
  const length = header.has('content-encoding') ? null : header.get('content-length');
  const open = async () => (await http.get(url)).body;
  return new StreamFile(displayUrl(url), length === null ? undefined : Number(length), response.body, {
    open,
    retrying: (attempt) => http.retrying(attempt),
  });
}

/** The values of Content-Range. They are missing if another origin does not expose the header. */
function contentRange(url, response, start, end, mayBeShorter) {
  const found = response.headers.get('content-range');
  if (found === null && response.type === 'cors') {
    return {};
  }
  const parts = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(found ?? '');
  const [first, last] = parts ? [Number(parts[1]), Number(parts[2])] : [];
  const total = parts && parts[3] !== '*' ? Number(parts[3]) : undefined;
  const expectedEnd = mayBeShorter ? Math.min(end, total ?? end) : end;
  if (!parts || first !== start || last !== expectedEnd - 1 || total < end && !mayBeShorter) {
    response.body?.cancel().catch(() => {});
    throw new Error(
      `${displayUrl(url)}: expected Content-Range bytes ${start}-${end - 1}/…, found ${found ?? 'none'}; the server does not support ranges correctly`,
    );
  }
  return { last, total };
}

/** The body of a response: `expected` bytes, or up to `longest` bytes if the length is unknown. */
async function wholeBody(url, response, expected, longest, count = () => {}) {
  const bytes = new Uint8Array(longest);
  const reader = response.body.getReader();
  let filled = 0;
  const incomplete = (reason, cause) => {
    count(-filled);
    return new TransientError(`${displayUrl(url)}: expected ${expected} bytes, found ${filled}: ${reason}`, { cause });
  };
  for (;;) {
    const { value, done } = await reader.read().catch((cause) => {
      throw incomplete(`the connection broke (${cause.message})`, cause);
    });
    if (done) {
      break;
    }
    if (filled + value.length > longest) {
      reader.cancel().catch(() => {});
      throw new Error(`${displayUrl(url)}: expected ${expected ?? longest} bytes, found more; the server does not support ranges correctly`);
    }
    bytes.set(value, filled);
    filled += value.length;
    count(value.length);
  }
  if (expected !== undefined && filled !== expected) {
    throw incomplete('the response ended early');
  }
  return bytes.subarray(0, filled);
}

function versionOf(response, length) {
  const { headers } = response;
  const modified = headers.get('last-modified');
  return headers.get('etag') ?? (modified === null ? undefined : `${modified} ${length}`);
}
