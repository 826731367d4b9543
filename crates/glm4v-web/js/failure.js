let lastPanic = '';

/** The module says why it panics on the console only; an error should say it as well. */
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

/** What to tell of an error after which the encoder cannot be used any more. */
export function failureOf(error) {
  const advice = 'this encoder cannot be used any more; free it and make another';
  if (error instanceof WebAssembly.RuntimeError) {
    const found = lastPanic || error.message;
    const memory = /memory|alloc/i.test(found) ? ', or take a smaller picture or model' : '';
    return `the WebAssembly module failed (${found}): ${advice}${memory}`;
  }
  return `${error?.message ?? error}: ${advice}`;
}
