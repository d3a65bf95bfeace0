/**
 * The short way of an ordinary completion: under a name that was resolved a moment ago, a request needs nothing but its text.
 * Its key has been checked like any other's; only the finding of the connection is spared.
 * @module
 */
import type { Caller, Context } from '../context.ts'
import { askFor, type ChatAnswer, type ChatRequest, type Connection, directTo } from '../providers/index.ts'
import { knownLookup, type Lookup } from './registry.ts'

/** Where a name leads. */
export interface Way {
  /** Callers with allow-lists whom the whole way has let through; those without need not be looked up. */
  admitted: WeakSet<Caller>
  provider: Connection['provider']
  /** As the provider names it. */
  model: string
  send(context: Context, request: Pick<ChatRequest, 'text' | 'body'>): Promise<ChatAnswer>
}

/** A way hangs on the look-up it came from, and is forgotten with it. */
const ways = new WeakMap<Lookup, Way>()

const isRestricted = ({ models, providers }: Caller): boolean => Boolean(models || providers)

/** The way of a caller's requests under a name, if it is known, and known to be allowed. */
export const knownWay = (context: Context, owner: string, name: string): Way | undefined => {
  const lookup = knownLookup(context, name)
  if (lookup === undefined || (lookup.record && lookup.record.owner !== owner)) return undefined
  const way = ways.get(lookup)
  const { caller } = context
  return way && caller && isRestricted(caller) && !way.admitted.has(caller) ? undefined : way
}

/** Remembers where a name has led an allowed caller that goes to the provider as it is, for a request without a wish of its own. */
export const rememberWay = (
  context: Context,
  name: string,
  { provider, channel, timeoutMs }: Connection,
): void => {
  const lookup = knownLookup(context, name)
  const direct = provider.chat.direct?.(channel.settings)
  if (lookup === undefined || direct === undefined) return
  const admitted = ways.get(lookup)?.admitted ?? new WeakSet()
  if (context.caller) admitted.add(context.caller)
  ways.set(lookup, {
    admitted,
    provider,
    model: name,
    send: (caller, { body, text }) =>
      askFor(body, directTo(caller, provider, timeoutMs), { ...direct, body: text }),
  })
}
