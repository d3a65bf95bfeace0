import { isDeepStrictEqual } from 'node:util'
import { conflict } from '../errors.ts'

/**
 * `clientRequestToken`: the same request twice is one; another request with a used token is a mistake. Each operation has
 * tokens of its own.
 */
export class Tokens<T> {
  readonly #used = new Map<string, { request: unknown; result: T }>()

  /**
   * What the request has made: `make` runs if it has not been seen.
   *
   * @throws {AwsError} ConflictException if the token was used with other parameters
   */
  once(token: string | undefined, request: unknown, make: () => T): T {
    const seen = token === undefined ? undefined : this.#used.get(token)
    if (seen && !isDeepStrictEqual(seen.request, request)) {
      throw conflict('The clientRequestToken was already used with different parameters.')
    }
    if (seen) return seen.result
    const result = make()
    if (token !== undefined) this.#used.set(token, { request, result })
    return result
  }

  clear(): void {
    this.#used.clear()
  }
}
