import { BIAS, type Features, HASH_SIZE } from './features.ts'

/** A unit-length sparse vector: `values[i]` stands in row `rows[i]`. */
export interface SparseVector {
  rows: Int32Array
  values: Float32Array
}

/** Small beside the unit-length rest: the prior should only decide when the words do not. */
const BIAS_VALUE = 0.1

/** Most weights (rows × answers) one model may have: 16 MB as 32-bit floats. */
export const WEIGHT_BUDGET = 2 ** 22

/**
 * Gives every feature seen in training a row of the weight matrix and an inverse-document-frequency weight.
 * Features never seen in training have no row: they say nothing.
 */
export class Vectorizer {
  /** Feature number → row, or −1. */
  readonly #rowOf: Int32Array
  readonly #idf: Float32Array
  readonly rows: number

  private constructor(rowOf: Int32Array, idf: Float32Array) {
    this.#rowOf = rowOf
    this.#idf = idf
    this.rows = idf.length
  }

  /**
   * @param documents the training conversations' features
   * @param answers number of answers; with many of them only the most frequent features get a row, so that the
   *   weights stay within {@link WEIGHT_BUDGET}
   * @param from what an earlier training knew: its features keep their place and weight
   */
  static fit(documents: readonly Features[], answers: number, from?: Vectorizer): Vectorizer {
    const frequency = new Int32Array(HASH_SIZE)
    for (const document of documents) {
      for (const feature of document.keys()) frequency[feature] = (frequency[feature] ?? 0) + 1
    }
    const fresh: number[] = []
    frequency.forEach((count, feature) => {
      const tells = count > 0 && count < documents.length
      if (feature !== BIAS && tells && !from?.knows(feature)) fresh.push(feature)
    })
    const known = [...(from?.features() ?? [BIAS])]
    const room = Math.max(1, Math.floor(WEIGHT_BUDGET / Math.max(1, answers)) - known.length)
    if (fresh.length > room) {
      fresh.sort((a, b) => (frequency[b] ?? 0) - (frequency[a] ?? 0) || a - b)
      fresh.length = room
    }
    const rowOf = new Int32Array(HASH_SIZE).fill(-1)
    const idf = new Float32Array(known.length + fresh.length)
    for (const feature of known) {
      const row = from?.rowOf(feature) ?? 0
      rowOf[feature] = row
      idf[row] = from?.idfOf(row) ?? 0
    }
    fresh.forEach((feature, index) => {
      const row = known.length + index
      rowOf[feature] = row
      idf[row] = Math.log((1 + documents.length) / (1 + (frequency[feature] ?? 0)))
    })
    return new Vectorizer(rowOf, idf)
  }

  /** All features that have a row, the bias among them. */
  *features(): Generator<number> {
    for (const [feature, row] of this.#rowOf.entries()) if (row >= 0) yield feature
  }

  /** −1 if the feature has none. */
  rowOf(feature: number): number {
    return this.#rowOf[feature] ?? -1
  }

  knows(feature: number): boolean {
    return this.rowOf(feature) >= 0
  }

  idfOf(row: number): number {
    return this.#idf[row] ?? 0
  }

  vector(features: Features): SparseVector {
    const rows: number[] = [0]
    const values: number[] = [0]
    let squares = 0
    for (const [feature, amount] of features) {
      const row = this.rowOf(feature)
      if (row <= 0) continue
      // A repeated word says less each time.
      const value = Math.sqrt(amount) * this.idfOf(row)
      rows.push(row)
      values.push(value)
      squares += value * value
    }
    const scale = squares > 0 ? 1 / Math.sqrt(squares) : 0
    const scaled = Float32Array.from(values, value => value * scale)
    scaled[0] = BIAS_VALUE
    return { rows: Int32Array.from(rows), values: scaled }
  }
}
