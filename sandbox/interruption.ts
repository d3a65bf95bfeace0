/**
 * Being told to stop, in all the ways that a program started with `npm run` can be told.
 *
 * @module
 */

/** How often we look whether npm is still there. */
const LOOK_MS = 300

/**
 * Resolves when this process should end, with the exit code that says so (128 + the signal's number). From the call
 * on, SIGINT, SIGTERM and SIGHUP no longer end the process by themselves.
 */
export function interruption(): Promise<number> {
  return new Promise(resolve => {
    // `on`, not `once`: npm passes a Ctrl-C on that the terminal has sent us already, and the second must not kill us
    // in the middle of cleaning up.
    process.on('SIGINT', () => resolve(130))
    process.on('SIGTERM', () => resolve(143))
    process.on('SIGHUP', () => resolve(129))

    // npm starts us through `sh -c`. A SIGTERM for npm ends npm and that shell, but never reaches us: all that we see
    // is that our parent is gone. Only under npm: who starts us with `node … &` may well leave before us.
    if (process.env.npm_lifecycle_event === undefined) return
    const parent = process.ppid
    setInterval(() => process.ppid !== parent && resolve(143), LOOK_MS).unref()
  })
}
