import { isRefusal, isWebPage, Passing, shown, webPage } from './http.js';
import { StreamFile } from './stream-file.js';

/** The header of a shard mostly fits, so that one request describes a file. */
const FIRST_BYTES = 256 * 1024;

/** The file at `url`, read by ranges where the server has them; null if it is not there and need not be. */
export async function openUrl(url, { http, cache, version, optional = false }) {
  return http.retrying(async () => {
    const response = await http.get(url, { range: [0, FIRST_BYTES], optional });
    if (response === null) {
      return null;
    }
    if (isWebPage(response)) {
      response.body?.cancel().catch(() => {});
      throw webPage(url);
    }
    if (response.status !== 206) {
      return streamed(url, response, http);
    }
    const { last, total } = contentRange(url, response, 0, FIRST_BYTES, true);
    const first = await wholeBody(url, response, last === undefined ? undefined : last + 1, FIRST_BYTES);
    const length = total ?? (first.length < FIRST_BYTES ? first.length : undefined);
    const kept = await cache.file(url, version ?? versionOf(response, length));
    return new RangedFile(url, { length, first, etag: response.headers.get('etag'), http, kept });
  }, isRefusal);
}

/** A file on a server that gives parts of it. */
class RangedFile {
  sequential = false;
  #url;
  #first;
  #etag;
  #http;
  #kept;

  constructor(url, { length, first, etag, http, kept }) {
    this.name = shown(url);
    this.length = length;
    [this.#url, this.#first, this.#etag, this.#http, this.#kept] = [url, first, etag, http, kept];
  }

  async read(start, end, count = () => {}) {
    if (this.length !== undefined && end > this.length) {
      throw new Error(`${this.name}: expected ${end} bytes or more, found ${this.length}; is the file whole?`);
    }
    const here = end <= this.#first.length ? this.#first.slice(start, end) : await this.#kept.read(start, end);
    if (here) {
      count(here.length);
      return here;
    }
    const bytes = await this.#http.retrying(() => this.#fetch(start, end, count));
    await this.#kept.write(start, end, bytes);
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
        `${this.name}: expected bytes ${start} to ${end} (status 206), as the server gave before, found status ${response.status}; try again`,
      );
    }
    const { total } = contentRange(this.#url, response, start, end, false);
    const etag = response.headers.get('etag');
    if ((this.length !== undefined && total !== undefined && total !== this.length) || etag !== this.#etag) {
      throw new Error(
        `${this.name}: expected the file of ${this.length} bytes that reading began with (${this.#etag}), ` +
        `found one of ${total} (${etag}): it was changed meanwhile; load it again`,
      );
    }
  }
}

function streamed(url, response, http) {
  const header = response.headers;
  // A compressed answer's length is not the file's.
  const length = header.has('content-encoding') ? null : header.get('content-length');
  const open = async () => (await http.get(url)).body;
  return new StreamFile(shown(url), length === null ? undefined : Number(length), response.body, {
    open,
    retrying: (attempt) => http.retrying(attempt),
  });
}

/** What an answer's Content-Range says; nothing where another origin does not let it be read. */
function contentRange(url, response, start, end, mayEnd) {
  const found = response.headers.get('content-range');
  if (found === null && response.type === 'cors') {
    return {};
  }
  const parts = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(found ?? '');
  const [first, last] = parts ? [Number(parts[1]), Number(parts[2])] : [];
  const total = parts && parts[3] !== '*' ? Number(parts[3]) : undefined;
  const wanted = mayEnd ? Math.min(end, total ?? end) : end;
  if (!parts || first !== start || last !== wanted - 1 || total < end && !mayEnd) {
    response.body?.cancel().catch(() => {});
    throw new Error(
      `${shown(url)}: expected Content-Range bytes ${start}-${end - 1}/…, found ${found ?? 'none'}; the server answers ranges wrongly`,
    );
  }
  return { last, total };
}

/** The body, which has `expected` bytes, or up to `longest` where that is not known. */
async function wholeBody(url, response, expected, longest, count = () => {}) {
  const bytes = new Uint8Array(longest);
  const reader = response.body.getReader();
  let filled = 0;
  const short = (found, cause) => {
    count(-filled);
    return new Passing(`${shown(url)}: expected ${expected} bytes, found ${found}`, { cause });
  };
  for (;;) {
    const { value, done } = await reader.read().catch((cause) => {
      throw short(`${filled} before the connection broke (${cause.message})`, cause);
    });
    if (done) {
      break;
    }
    if (filled + value.length > longest) {
      reader.cancel().catch(() => {});
      throw new Error(`${shown(url)}: expected ${expected ?? longest} bytes, found more; the server answers ranges wrongly`);
    }
    bytes.set(value, filled);
    filled += value.length;
    count(value.length);
  }
  if (expected !== undefined && filled !== expected) {
    throw short(`${filled}: the answer was cut short`);
  }
  return bytes.subarray(0, filled);
}

function versionOf(response, length) {
  const { headers } = response;
  const modified = headers.get('last-modified');
  return headers.get('etag') ?? (modified === null ? undefined : `${modified} ${length}`);
}
