// Not every browser can transfer a ReadableStream, but all can transfer a MessagePort. The receiver requests one chunk at
// a time, so the producer is never more than one chunk ahead.

/** A port from which another thread reads `stream`, and a function that cancels the stream. */
export function portOf(stream) {
  const { port1, port2 } = new MessageChannel();
  const reader = stream.getReader();
  const cancel = (reason) => {
    reader.cancel(reason).catch(() => {});
    port1.close();
  };
  port1.onmessage = async ({ data }) => {
    if (data === 'cancel') {
      cancel();
    } else {
      const next = await nextOf(reader);
      port1.postMessage(next);
      if (next.done || next.error !== undefined) {
        port1.close();
      }
    }
  };
  return { port: port2, cancel };
}

/** The stream behind a port. */
export function streamOf(port) {
  return new ReadableStream({
    pull(controller) {
      return new Promise((resolve) => {
        port.onmessage = ({ data: { value, done, error } }) => {
          if (error !== undefined) {
            controller.error(new Error(error));
          } else if (done) {
            controller.close();
          } else {
            controller.enqueue(value);
          }
          resolve();
        };
        port.postMessage('next');
      });
    },
    cancel() {
      port.postMessage('cancel');
    },
  }, { highWaterMark: 0 });
}

async function nextOf(reader) {
  try {
    const { value, done } = await reader.read();
    if (!done && !(value instanceof Uint8Array)) {
      return { error: `expected a stream of Uint8Array, found ${value?.constructor?.name ?? value}` };
    }
    // Sending a view would copy its whole buffer.
    return { value: done ? undefined : value.slice(), done };
  } catch (error) {
    return { error: error?.message ?? String(error) };
  }
}
