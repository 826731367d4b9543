/** The page's connection to the worker. When the worker ends, every pending call rejects. */
export class Link {
  #worker;
  #pending = new Map();
  #calls = 0;
  #ended = null;

  constructor() {
    // Bundlers recognise a worker by exactly this expression.
    this.#worker = startWorker(() => new Worker(new URL('./worker.js', import.meta.url), { type: 'module' }));
    this.#worker.onmessage = ({ data }) => this.#receive(data);
    this.#worker.onmessageerror = () => this.end(new Error("the worker's answer could not be read; create another encoder"));
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
        reject(new Error(`${method}: the arguments cannot be sent to the worker (${cause.message})`, { cause }));
      }
    });
  }

  get ended() {
    return this.#ended !== null;
  }

  /** Ends the worker. Pending and later calls reject with `reason`. */
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
    // If a script could not be fetched, the event has no message.
    const reason = event.message || 'its script, or one that it imports, could not be loaded';
    const url = new URL('./worker.js', import.meta.url);
    this.end(new Error(
      `${url}: the worker does not run: ${reason}; ` +
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
