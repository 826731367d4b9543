/** Cosine similarity of embeddings to each other, a token's at a time: all of them would be the square of the tokens. */
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

  /** Of every token to `token`. */
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

/** The lowest and the highest of the values, with their places; that of `own`, which is always 1, does not count. */
export function extremes(values, own) {
  let [lowest, highest] = [-1, -1];
  values.forEach((value, place) => {
    if (place !== own) {
      lowest = lowest < 0 || value < values[lowest] ? place : lowest;
      highest = highest < 0 || value > values[highest] ? place : highest;
    }
  });
  return { lowest, highest, low: values[lowest] ?? 1, high: values[highest] ?? 1 };
}
