/**
 * Work on many things of which some may fail.
 * @module
 */

/**
 * Does something with each of them, so many at once; one that fails keeps none of the others from theirs.
 * @throws the first failure, when all is done
 */
export const forEach = async <T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> => {
  const waiting = [...items]
  const failures: unknown[] = []
  const workOff = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
      await work(item).catch((error: unknown) => failures.push(error))
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, workOff))
  if (failures.length > 0) throw failures[0]
}
