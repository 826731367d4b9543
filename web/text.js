export function bytes(count) {
  const units = ['bytes', 'kB', 'MB', 'GB'];
  let unit = 0;
  while (count >= 1000 && unit < units.length - 1) {
    count /= 1000;
    unit++;
  }
  return `${unit === 0 || count >= 100 ? Math.round(count) : count.toPrecision(2)} ${units[unit]}`;
}

export function duration(milliseconds) {
  if (milliseconds >= 10_000) {
    return `${(milliseconds / 1000).toFixed(1)} s`;
  }
  return milliseconds >= 1000 ? `${(milliseconds / 1000).toFixed(2)} s` : `${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms`;
}

/** A similarity with a minus sign as wide as a digit, so that columns align. */
export function similarity(value, digits) {
  return value.toFixed(digits).replace('-', '\u2212');
}
