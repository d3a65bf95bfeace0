/**
 * How tokens are counted for a target.
 * @module
 */
import type { Counting } from './inspector.ts'
import type { Target } from './target.ts'
import { exampleTokens, tokenCounterFor } from './tokens/index.ts'

/** Undefined where no model is named: then characters are all that is told. */
export const countingFor = async ({ provider, model }: Target): Promise<Counting | undefined> =>
  provider === null || model === undefined
    ? undefined
    : { counter: await tokenCounterFor(provider, model), exampleTokens }
