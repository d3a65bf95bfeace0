/**
 * `Idempotency-Key`: a request that is repeated under the same key is carried out once.
 * @module
 */
import type { Context as HonoContext, MiddlewareHandler } from 'hono'
import { createMiddleware } from 'hono/factory'
import { createFormDigest, digestForm } from '../shared/datasets/index.ts'
import {
  claimRequest,
  endRun,
  type KeptAnswer,
  type Keyed,
  keepLease,
  refuseReuse,
} from '../shared/idempotency.ts'
import { badRequest, sha256, toBase64 } from '../shared/openai/index.ts'
import { DROPPED_HEADER } from '../shared/serving/index.ts'
import type { AppEnv } from './http.ts'

const HEADER = 'idempotency-key'
/** Marks an answer that was given before, under Stripe's name. */
export const REPLAYED_HEADER = 'idempotent-replayed'

const LONGEST_KEY = 255
/** Characters of an answer that is kept; a longer one is made anew, of the same things. */
const LONGEST_ANSWER = 64 * 1024
/** Headers of an answer that mean something later, too. */
const KEPT_HEADERS = ['content-type', 'x-should-retry', DROPPED_HEADER]
/**
 * Refusals that may be no refusals a moment later, through no change of the request: clients come again with the same key. A budget is
 * raised, or spent by others no more (402); leave is given (403).
 */
const PASSING: readonly number[] = [401, 402, 403, 408, 409, 425, 429]

interface Terms {
  /** The body is a form, which is digested as it passes. */
  isForm?: boolean
  /** The answer holds a secret: it is kept sealed. */
  isSecret?: boolean
  /** Whether an answer can be told again; else what it tells of is looked at anew. */
  mayKeep?: (answer: KeptAnswer) => boolean
}

const isKept = (answer: KeptAnswer, { isForm, mayKeep }: Terms): boolean => {
  const { status, body } = answer
  return (
    status < 500 &&
    !PASSING.includes(status) &&
    body.length <= LONGEST_ANSWER &&
    // Of a form that is refused the rest was not read: it cannot be told from another.
    (!isForm || status < 400) &&
    (mayKeep?.(answer) ?? true)
  )
}

const read = async (answer: Response): Promise<KeptAnswer> => {
  const headers: Record<string, string> = {}
  for (const name of KEPT_HEADERS) {
    const value = answer.headers.get(name)
    if (value !== null) headers[name] = value
  }
  return { status: answer.status, headers, body: await answer.clone().text() }
}

const keyOf = (given: string): string => {
  if (given.length >= 1 && given.length <= LONGEST_KEY) return given
  throw badRequest(HEADER, `An Idempotency-Key has 1 to ${LONGEST_KEY} characters.`)
}

const keyedOf = async (c: HonoContext<AppEnv>, key: string, isForm: boolean): Promise<Keyed> => {
  const { caller, provider = '' } = c.var.context
  if (!caller) throw new Error('The door has let no one in.')
  const { pathname, search } = new URL(c.req.url)
  return {
    caller,
    key: keyOf(key),
    target: `${c.req.method} ${pathname}${search}\n${provider}`,
    body: isForm ? null : toBase64(await sha256(await c.req.text())),
  }
}

/**
 * Carries out what follows once for each `Idempotency-Key`. It stands behind the checks of a request: what they refuse was not
 * carried out, and is not remembered.
 */
export const once = ({ isForm = false, isSecret = false, ...terms }: Terms = {}): MiddlewareHandler<AppEnv> =>
  createMiddleware<AppEnv>(async (c, next) => {
    const given = c.req.header(HEADER)
    if (given === undefined) return next()
    const { context } = c.var
    const claim = await claimRequest(context, await keyedOf(c, given, isForm), isSecret)
    if ('answer' in claim) {
      if (isForm && (await digestForm(context, c.req.raw)) !== claim.body) refuseReuse()
      const { status, headers, body } = claim.answer
      return new Response(body, { status, headers: { ...headers, [REPLAYED_HEADER]: 'true' } })
    }
    const { run } = claim
    context.ids = run.ids
    const digest = isForm ? createFormDigest() : undefined
    if (digest) c.set('form', digest)
    const carryOut = async () => {
      const release = keepLease(context, run)
      let answer: KeptAnswer | undefined
      try {
        await next()
        const told = await read(c.res)
        if (isKept(told, { isForm, ...terms })) answer = told
      } finally {
        release()
        await endRun(context, run, answer, { isSecret, ...(answer && digest && { body: digest.end() }) })
      }
    }
    const work = carryOut()
    // A client that leaves comes again, and is to find how it ended.
    context.platform.defer(work.catch(() => undefined))
    await work
  })
