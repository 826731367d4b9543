// Viridis at equal distances. It stays readable in gray and for color-blind people.
const STOPS = [[68, 1, 84], [65, 68, 135], [42, 120, 142], [34, 168, 132], [122, 209, 81], [253, 231, 37]];

/** Red, green and blue of a value from 0 to 1. */
export function viridis(value) {
  const place = Math.min(Math.max(value, 0), 1) * (STOPS.length - 1);
  const index = Math.min(Math.floor(place), STOPS.length - 2);
  const [from, to] = [STOPS[index], STOPS[index + 1]];
  return from.map((start, channel) => start + (to[channel] - start) * (place - index));
}
