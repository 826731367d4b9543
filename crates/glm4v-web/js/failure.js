let lastPanic = '';

/** The module writes the reason of a panic to the console only. This keeps it for the error message. */
export function rememberPanics() {
  const write = console.error;
  console.error = (...values) => {
    const text = String(values[0]);
    if (text.includes('panicked at')) {
      lastPanic = text.split('\n\nStack:')[0].trim();
    }
    write.apply(console, values);
  };
}

/** The message of an error after which the encoder cannot be used any more. */
export function failureOf(error) {
  const advice = 'this encoder cannot be used any more; free it and create another';
  if (error instanceof WebAssembly.RuntimeError) {
    const found = lastPanic || error.message;
    const memory = /memory|alloc/i.test(found) ? ', or use a smaller image or model' : '';
    return `the WebAssembly module failed (${found}): ${advice}${memory}`;
  }
  return `${error?.message ?? error}: ${advice}`;
}
