import type { Weights } from './softmax.ts'
import type { SparseVector } from './vectorizer.ts'

/** Below this a score's gradient moves nothing worth the time. */
const NEGLIGIBLE = 1e-4
const FLOOR = 1e-8

/**
 * AdaGrad: every weight has its own step size, `rate / √(sum of its squared gradients)`. Rare words thus learn in
 * few steps what frequent ones learn in many.
 */
export class Adagrad {
  readonly #weights: Weights
  readonly #rate: number
  readonly #squares: Float32Array
  readonly #active: Int32Array

  constructor(weights: Weights, rate: number) {
    this.#weights = weights
    this.#rate = rate
    this.#squares = new Float32Array(weights.data.length)
    this.#active = new Int32Array(weights.answers)
  }

  /** Moves the weights against `input ⊗ gradient`. */
  descend({ rows, values }: SparseVector, gradient: Float64Array): void {
    const { answers, data } = this.#weights
    const squares = this.#squares
    const active = this.#active
    let count = 0
    for (let answer = 0; answer < answers; answer++) {
      if (Math.abs(gradient[answer] ?? 0) > NEGLIGIBLE) active[count++] = answer
    }
    for (let index = 0; index < rows.length; index++) {
      const start = (rows[index] ?? 0) * answers
      const value = values[index] ?? 0
      for (let nth = 0; nth < count; nth++) {
        const answer = active[nth] ?? 0
        const at = start + answer
        const slope = value * (gradient[answer] ?? 0)
        const sum = (squares[at] ?? 0) + slope * slope
        squares[at] = sum
        data[at] = (data[at] ?? 0) - (this.#rate * slope) / (Math.sqrt(sum) + FLOOR)
      }
    }
  }
}
