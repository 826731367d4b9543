/** Cosine similarity between tokens. Computed for one token at a time, because all pairs need too much memory. */
export class Similarity {
  #embeddings;
  #width;
  #inverseNorms;

  constructor({ embeddings, shape: [tokens, width] }) {
    this.#embeddings = embeddings;
    this.#width = width;
    this.#inverseNorms = Float64Array.from({ length: tokens }, (_, token) => {
      const norm = Math.sqrt(this.#product(token, token));
      return norm > 0 ? 1 / norm : 0;
    });
  }

  /** The similarity of every token to `token`. */
  to(token) {
    const norms = this.#inverseNorms;
    return Float32Array.from(norms, (inverse, other) => this.#product(token, other) * norms[token] * inverse);
  }

  #product(a, b) {
    const [values, width] = [this.#embeddings, this.#width];
    let sum = 0;
    for (let i = a * width, j = b * width, end = i + width; i < end; i++, j++) {
      sum += values[i] * values[j];
    }
    return sum;
  }
}

/** The lowest and the highest value, with their indices. The value at index `self`, which is always 1, is left out. */
export function extremes(values, self) {
  let [lowest, highest] = [-1, -1];
  values.forEach((value, index) => {
    if (index !== self) {
      lowest = lowest < 0 || value < values[lowest] ? index : lowest;
      highest = highest < 0 || value > values[highest] ? index : highest;
    }
  });
  return { lowest, highest, low: values[lowest] ?? 1, high: values[highest] ?? 1 };
}
