/**
 * How tokens are counted for a target.
 * @module
 */
import type { Counting } from './inspector.ts'
import type { Target } from './target.ts'

/** Undefined where there is no counter for the model: then characters are all that is told. */
export const countingFor = async (_target: Target): Promise<Counting | undefined> => undefined
