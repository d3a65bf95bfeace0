/** The demo is a row of steps: each is announced, timed, and named if it fails. @module */
import { bold, dim, erase, green, say } from './screen.ts'

/** A step did not happen; the message says why. */
export class StepFailed extends Error {
  override readonly name = 'StepFailed'
  readonly title: string
  constructor(title: string, cause: unknown) {
    super(reasonOf(cause), { cause })
    this.title = title
  }
}

/**
 * Announces `title`, does the work and says how long it took.
 *
 * @throws {StepFailed} whatever the work throws.
 */
export async function step<T>(title: string, work: () => Promise<T>): Promise<T> {
  const start = performance.now()
  say(bold(title))
  try {
    const result = await work()
    say(`  ${green('✓')} ${dim(`${((performance.now() - start) / 1000).toFixed(1)} s`)}`)
    return result
  } catch (error) {
    throw new StepFailed(title, error)
  } finally {
    erase()
  }
}

/** An error and what caused it, in one line: "Connection error." alone helps nobody. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined ? '' : reasonOf(error.cause)
  return cause && !error.message.includes(cause) ? `${error.message} (${cause})` : error.message
}
