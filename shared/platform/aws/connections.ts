/**
 * Connections across a freeze. Node closes one that nobody has used for four seconds, because the other side soon would; frozen, it does not
 * notice that they pass. A request on such a connection gets no answer, and one that must not be repeated (a completion, say) has failed.
 * @see https://nodejs.org/docs/latest-v24.x/api/globals.html#custom-dispatcher
 * @module
 */
import type { Clock } from '../ports.ts'

/** Milliseconds: what Node gives a connection. */
const KEPT_MS = 4000

interface Agent {
  close(): Promise<void>
}

/** Where Node has the agent of `fetch`; which of the two is asked differs with its version. */
const PLACES = [1, 2].map(version => Symbol.for(`undici.globalDispatcher.${version}`))

/** Lets `fetch` make its connections anew. Calls under way keep theirs to their end. */
const renew = (): void => {
  const old: Agent | undefined = Reflect.get(globalThis, PLACES[0] as symbol)
  if (old === undefined) return
  const agent = Reflect.construct(old.constructor, [])
  for (const place of PLACES)
    if (Reflect.get(globalThis, place) === old) Reflect.set(globalThis, place, agent)
  void old.close().catch(() => undefined)
}

export interface Connections {
  /** Nothing is under way any more: the process may be frozen from now on. */
  rest(): void
  /** It goes on. */
  resume(): void
}

export const createConnections = ({ now }: Pick<Clock, 'now'>): Connections => {
  let resting: number | undefined
  return {
    rest() {
      resting = now()
    },
    resume() {
      if (resting !== undefined && now() - resting >= KEPT_MS) renew()
      resting = undefined
    },
  }
}
