const LIMITS = ['minTokens', 'maxTokens', 'minPixels', 'maxPixels'];

/** The limits of an input's size among the options of a call, checked. */
export function budgetOf(method, options) {
  const given = LIMITS.filter((name) => options[name] !== undefined);
  for (const name of given) {
    if (!Number.isSafeInteger(options[name]) || options[name] < 1) {
      throw new TypeError(`${method}: ${name}: expected a whole number above 0, found ${options[name]}`);
    }
  }
  if (given.some((name) => name.endsWith('Tokens')) && given.some((name) => name.endsWith('Pixels'))) {
    throw new TypeError(`${method}: limits in tokens and in pixels exclude each other, found ${given.join(', ')}`);
  }
  return Object.fromEntries(given.map((name) => [name, options[name]]));
}
