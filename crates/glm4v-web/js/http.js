import { pause } from './pause.js';

/** Milliseconds before each further attempt. */
const WAITS = [500, 1500, 4000];
/** A server that asks for a longer pause than this gets an error instead. */
const LONGEST_WAIT = 30_000;
/** Statuses that may pass. */
const PASSING = new Set([408, 429, 500, 502, 503, 504]);

/** An error after which the same request may yet succeed. */
export class Passing extends Error {
  constructor(message, { wait, refused = false, ...options } = {}) {
    super(message, options);
    this.wait = wait;
    this.refused = refused;
  }
}

/** Requests, with errors that say what to do. The token goes to the hub's origin only. */
export class Http {
  #origin;
  #token;
  #waits;

  constructor({ hub, token, waits = WAITS } = {}) {
    this.#origin = hub && new URL(hub).origin;
    this.#token = token;
    this.#waits = waits;
  }

  /** The answer to a request; null for what is not there, if that is allowed. */
  async get(url, { range, optional = false } = {}) {
    const headers = range ? { range: `bytes=${range[0]}-${range[1] - 1}` } : {};
    if (this.#token && new URL(url).origin === this.#origin) {
      headers.authorization = `Bearer ${this.#token}`;
    }
    let response;
    try {
      // The browser's own cache may hold parts of an older file.
      response = await fetch(url, { headers, cache: range ? 'no-store' : 'no-cache' });
    } catch (cause) {
      throw new Passing(
        `${shown(url)}: expected an answer, found none (${cause.message}): the server cannot be reached, or does not ` +
        'let this page read it; check the address and the network, and that the server sends Access-Control-Allow-Origin',
        { cause, refused: true },
      );
    }
    if (response.ok && !(optional && isWebPage(response))) {
      return response;
    }
    response.body?.cancel().catch(() => {});
    if (optional && (response.ok || response.status === 404)) {
      return null;
    }
    throw refusal(url, response, Boolean(headers.authorization));
  }

  /** A small file as a whole, and the answer that brought it. */
  async text(url, options) {
    return this.retrying(async () => {
      const response = await this.get(url, options);
      if (response && isWebPage(response)) {
        throw webPage(url);
      }
      return response && { text: await bodyOf(url, response, 'text'), response };
    }, isRefusal);
  }

  async bytes(url) {
    return this.retrying(async () => {
      const response = await this.get(url);
      return new Uint8Array(await bodyOf(url, response, 'arrayBuffer'));
    }, isRefusal);
  }

  /** What `attempt` gives, the first time or a later one. */
  async retrying(attempt, isFinal = () => false) {
    for (let number = 0; ; number++) {
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof Passing) || isFinal(error) || number >= this.#waits.length) {
          throw error;
        }
        await pause(error.wait ?? this.#waits[number]);
      }
    }
  }
}

/** A URL in messages: what follows the path may be a secret. */
export function shown(url) {
  const { protocol, origin, pathname } = new URL(url);
  return protocol.startsWith('http') ? origin + pathname : `${protocol}…`;
}

export function isWebPage(response) {
  return response.headers.get('content-type')?.startsWith('text/html') ?? false;
}

export function webPage(url) {
  return new Error(`${shown(url)}: expected a file of the model, found a web page; check the address`);
}

/** No answer at all to the first request is mostly a wrong address or CORS: trying again would only hide it for longer. */
export function isRefusal(error) {
  return error.refused;
}

async function bodyOf(url, response, as) {
  try {
    return await response[as]();
  } catch (cause) {
    throw new Passing(`${shown(url)}: expected the whole file, found that the connection broke (${cause.message})`, { cause });
  }
}

function refusal(url, { status, headers }, withToken) {
  const found = `${shown(url)}: expected the file, found status ${status}`;
  if (status === 401 || status === 403) {
    return new Error(
      `${found}: the model may be private or gated, or not exist; check the name, ` +
      (withToken ? 'that its terms are accepted on its page, and that the token may read it' : 'and pass a token that may read it'),
    );
  }
  if (status === 404 || status === 410) {
    return new Error(`${found}: there is no such file; check the name, the revision and the address`);
  }
  const seconds = Number(headers.get('retry-after') ?? NaN);
  const wait = Number.isFinite(seconds) ? seconds * 1000 : undefined;
  return PASSING.has(status) && !(wait > LONGEST_WAIT)
    ? new Passing(`${found}: the server is busy or out of order; try again later`, { wait })
    : new Error(`${found}: the server does not give it`);
}
