/** The page's end of the worker: calls go out, answers come back, and the end of the worker ends every call. */
export class Link {
  #worker;
  #pending = new Map();
  #calls = 0;
  #ended = null;

  constructor() {
    // Bundlers recognise a worker by this very expression.
    this.#worker = startWorker(() => new Worker(new URL('./worker.js', import.meta.url), { type: 'module' }));
    this.#worker.onmessage = ({ data }) => this.#receive(data);
    this.#worker.onmessageerror = () => this.end(new Error('an answer of the worker could not be read; make another encoder'));
    this.#worker.onerror = (event) => this.#died(event);
  }

  call(method, args, transfer = [], onProgress = null) {
    if (this.#ended) {
      return Promise.reject(this.#ended);
    }
    const id = this.#calls++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, onProgress });
      try {
        this.#worker.postMessage({ id, method, args }, transfer);
      } catch (cause) {
        this.#pending.delete(id);
        reject(new Error(`${method}: what was passed cannot go to the worker (${cause.message})`, { cause }));
      }
    });
  }

  get ended() {
    return this.#ended !== null;
  }

  /** Ends the worker; `reason` is what pending and later calls are rejected with. */
  end(reason) {
    if (this.#ended) {
      return;
    }
    this.#ended = reason;
    this.#worker.terminate();
    for (const { reject } of this.#pending.values()) {
      reject(reason);
    }
    this.#pending.clear();
  }

  #receive({ id, value, error, progress, failed }) {
    if (failed !== undefined) {
      this.end(new Error(failed));
      return;
    }
    const call = this.#pending.get(id);
    if (progress) {
      call?.onProgress?.(progress);
      return;
    }
    this.#pending.delete(id);
    if (error) {
      call?.reject(Object.assign(new Error(error.message), { name: error.name }));
    } else {
      call?.resolve(value);
    }
  }

  #died(event) {
    event.preventDefault();
    // A script that could not be fetched gives an event without a message.
    const found = event.message || 'its script, or one that it imports, could not be loaded';
    const where = new URL('./worker.js', import.meta.url);
    this.end(new Error(
      `${where}: expected a running worker, found: ${found}; ` +
      'worker.js, glm4v_web.js and the other files of the package must be served beside index.js, as JavaScript',
    ));
  }
}

function startWorker(start) {
  try {
    return start();
  } catch (cause) {
    throw new Error(
      `${new URL('./worker.js', import.meta.url)}: the browser does not start this worker (${cause.message}); ` +
      "the package must be served from the page's own origin, and a Content-Security-Policy must allow it in worker-src",
      { cause },
    );
  }
}
