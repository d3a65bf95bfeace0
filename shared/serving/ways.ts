/**
 * The short way of an ordinary completion: under a name that was resolved a moment ago, a request needs nothing but its text.
 * Its key has been checked like any other's; only the finding of the connection is spared.
 * @module
 */
import type { Context } from '../context.ts'
import { askFor, type ChatAnswer, type ChatRequest, type Connection, directTo } from '../providers/index.ts'
import { knownLookup, type Lookup } from './registry.ts'

/** Where a name leads. */
export interface Way {
  provider: Connection['provider']
  /** As the provider names it. */
  model: string
  send(context: Context, request: Pick<ChatRequest, 'text' | 'body'>): Promise<ChatAnswer>
}

/** A way hangs on the look-up it came from, and is forgotten with it. */
const ways = new WeakMap<Lookup, Way>()

/** The way of an owner's requests under a name, if it is known. */
export const knownWay = (context: Context, owner: string, name: string): Way | undefined => {
  const lookup = knownLookup(context, name)
  return lookup === undefined || (lookup.record && lookup.record.owner !== owner)
    ? undefined
    : ways.get(lookup)
}

/** Remembers where a name has led that goes to the provider as it is, for a request without a wish of its own. */
export const rememberWay = (
  context: Context,
  name: string,
  { provider, channel, timeoutMs }: Connection,
): void => {
  const lookup = knownLookup(context, name)
  const direct = provider.chat.direct?.(channel.settings)
  if (lookup === undefined || direct === undefined) return
  ways.set(lookup, {
    provider,
    model: name,
    send: (caller, { body, text }) =>
      askFor(body, directTo(caller, provider, timeoutMs), { ...direct, body: text }),
  })
}
