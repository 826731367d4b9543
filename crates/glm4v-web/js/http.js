import { pause } from './pause.js';

/** Milliseconds before each further attempt. */
const WAITS = [500, 1500, 4000];
/** If a server asks for a longer pause, the request fails instead. */
const LONGEST_WAIT = 30_000;
/** Statuses after which the same request may succeed later. */
const TRANSIENT = new Set([408, 429, 500, 502, 503, 504]);

/** An error after which the same request may succeed. `unreachable`: there was no response at all. */
export class TransientError extends Error {
  constructor(message, { wait, unreachable = false, ...options } = {}) {
    super(message, options);
    this.wait = wait;
    this.unreachable = unreachable;
  }
}

/** HTTP requests with retries. The token is sent only to the hub's origin. */
export class Http {
  #origin;
  #token;
  #waits;

  constructor({ hub, token, waits = WAITS } = {}) {
    this.#origin = hub && new URL(hub).origin;
    this.#token = token;
    this.#waits = waits;
  }

  /** The response to a request. With `optional`, a missing file gives null. */
  async get(url, { range, optional = false } = {}) {
    const headers = range ? { range: `bytes=${range[0]}-${range[1] - 1}` } : {};
    if (this.#token && new URL(url).origin === this.#origin) {
      headers.authorization = `Bearer ${this.#token}`;
    }
    let response;
    try {
      // The browser's own cache may hold ranges of an older file.
      response = await fetch(url, { headers, cache: range ? 'no-store' : 'no-cache' });
    } catch (cause) {
      throw new TransientError(
        `${displayUrl(url)}: no response (${cause.message}): the server cannot be reached, or does not let this page ` +
        'read the file; check the address and the network, and that the server sends Access-Control-Allow-Origin',
        { cause, unreachable: true },
      );
    }
    if (response.ok && !(optional && isWebPage(response))) {
      return response;
    }
    response.body?.cancel().catch(() => {});
    if (optional && (response.ok || response.status === 404)) {
      return null;
    }
    throw statusError(url, response, Boolean(headers.authorization));
  }

  /** A whole small file as text, and its response. */
  async text(url, options) {
    return this.retrying(async () => {
      const response = await this.get(url, options);
      if (response && isWebPage(response)) {
        throw webPageError(url);
      }
      return response && { text: await bodyOf(url, response, 'text'), response };
    }, isUnreachable);
  }

  async bytes(url) {
    return this.retrying(async () => {
      const response = await this.get(url);
      return new Uint8Array(await bodyOf(url, response, 'arrayBuffer'));
    }, isUnreachable);
  }

  /** The result of `attempt`, which is repeated after transient errors. */
  async retrying(attempt, isFinal = () => false) {
    for (let number = 0; ; number++) {
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof TransientError) || isFinal(error) || number >= this.#waits.length) {
          throw error;
        }
        await pause(error.wait ?? this.#waits[number]);
      }
    }
  }
}

/** A URL for messages, without the query, which may hold a secret. */
export function displayUrl(url) {
  const { protocol, origin, pathname } = new URL(url);
  return protocol.startsWith('http') ? origin + pathname : `${protocol}…`;
}

export function isWebPage(response) {
  return response.headers.get('content-type')?.startsWith('text/html') ?? false;
}

export function webPageError(url) {
  return new Error(`${displayUrl(url)}: expected a file of the model, found a web page; check the address`);
}

/** If the first request has no response, the cause is mostly a wrong address or CORS. A retry would only delay the error. */
export function isUnreachable(error) {
  return error.unreachable;
}

async function bodyOf(url, response, as) {
  try {
    return await response[as]();
  } catch (cause) {
    throw new TransientError(`${displayUrl(url)}: the connection broke before the whole file arrived (${cause.message})`, { cause });
  }
}

function statusError(url, { status, headers }, withToken) {
  const found = `${displayUrl(url)}: the server answered with status ${status}`;
  if (status === 401 || status === 403) {
    return new Error(
      `${found}: the model may be private or gated, or not exist; check the name, ` +
      (withToken ? 'accept the terms on its page, and check that the token may read it' : 'and pass a token that may read it'),
    );
  }
  if (status === 404 || status === 410) {
    return new Error(`${found}: there is no such file; check the name, the revision and the address`);
  }
  const seconds = Number(headers.get('retry-after') ?? NaN);
  const wait = Number.isFinite(seconds) ? seconds * 1000 : undefined;
  return TRANSIENT.has(status) && !(wait > LONGEST_WAIT)
    ? new TransientError(`${found}: the server is busy or out of order; try again later`, { wait })
    : new Error(`${found}: the server refuses to send the file`);
}
