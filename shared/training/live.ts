/**
 * A job's events as they come: a feed of server-sent events that can be taken up again where it broke off.
 *
 * Events are told in the order in which they came into the store, not in which they happened: what a provider tells late
 * would otherwise be missed by who has already heard of later things.
 * @module
 */
import type { Context } from '../context.ts'
import { badRequest } from '../openai/index.ts'
import { syncEvents } from './feed.ts'
import { findJob } from './jobs.ts'
import { arrivalAt, arrivalOf, EVENTS, type EventRecord, isTerminal, type JobRecord } from './records.ts'
import { refreshJob } from './refresh.ts'

/** The feed's pace, in milliseconds. */
export interface Pace {
  /** Between looks into the store. */
  look: number
  /** Between questions to the provider. */
  ask: number
  /** An event is told when it is this old: others may have been stamped earlier and be written later. */
  settle: number
  /** Between signs of life where nothing happens. */
  heartbeat: number
  /** One connection's life: then the client comes back, and goes on where it was. Bounds the calls of one invocation. */
  longest: number
}

const PACE = { look: 1000, ask: 2000, settle: 1500, heartbeat: 15_000 }
/** A connection whose client's leaving is not heard of lasts less: it goes on asking, and holds one of the deployment's invocations. */
const LONGEST = { heard: 300_000, unheard: 60_000 }

/** Events read at a time. */
const PAGE = 200

/** What the feed says: an event with the place to go on from, a sign of life, or that all has been told. */
export type Told = { at: string; event: EventRecord['event'] } | 'alive' | 'over'

const CURSOR = /^[0-9A-Za-z]{8}ftevent-[0-9A-Za-z]+$/

/** The place behind an event, by the feed's own cursor or the event's id. */
const placeOf = async (context: Context, job: JobRecord, after: string): Promise<string> => {
  if (CURSOR.test(after)) return after
  const record = await EVENTS.get(context.platform.store, `${job.id}/${after}`)
  if (!record) throw badRequest('after', `No such event: '${after}'.`)
  return arrivalOf(record.value)
}

/** Whether there is nothing more to come: the job is over, its feed is whole, and what came last has settled. */
const isOver = (job: JobRecord) => isTerminal(job.status) && (job.native_id === null || job.feed.is_complete)

/**
 * A job's events from the first, or from behind `after`, until the job is over or the connection old.
 * @returns undefined when the job is over and nothing comes behind `after` any more
 * @throws {ApiError} before the first event: 404 for an unknown job, 400 for an unknown `after`
 */
export const followEvents = async (
  context: Context,
  owner: string,
  id: string,
  after: string | undefined,
  pace: Partial<Pace> = {},
): Promise<AsyncGenerator<Told> | undefined> => {
  const job = await findJob(context, owner, id)
  const place = after === undefined ? '' : await placeOf(context, job, after)
  if (place !== '' && isOver(job)) {
    const { items } = await EVENTS.list(context.platform.store, 'arrival', job.id, {
      order: 'asc',
      limit: 1,
      after: place,
    })
    if (items.length === 0) return undefined
  }
  const longest = context.platform.hearsClientsLeave ? LONGEST.heard : LONGEST.unheard
  return follow(context, owner, job, place, { ...PACE, longest, ...pace })
}

async function* follow(
  context: Context,
  owner: string,
  found: JobRecord,
  place: string,
  pace: Pace,
): AsyncGenerator<Told> {
  const { clock, store } = context.platform
  const end = clock.now() + pace.longest
  /** An event that two readers of the provider's feed have both written has come twice. */
  const told = new Set<string>()
  let [job, at] = [found, place]
  let [asked, spoken] = [Number.NEGATIVE_INFINITY, clock.now()]
  let overSince: number | undefined
  while (!context.signal?.aborted && clock.now() < end) {
    if (clock.now() - asked >= pace.ask && overSince === undefined) {
      job = await refreshJob(context, await findJob(context, owner, job.id))
      await syncEvents(context, job)
      job = await findJob(context, owner, job.id)
      asked = clock.now()
      if (isOver(job)) overSince = asked
    }
    const now = clock.now()
    const below = arrivalAt(now - pace.settle)
    const { items, hasMore } = await EVENTS.list(store, 'arrival', job.id, {
      order: 'asc',
      limit: PAGE,
      below,
      ...(at !== '' && { after: at }),
    })
    for (const record of items) {
      at = arrivalOf(record)
      if (told.has(record.event.id)) continue
      told.add(record.event.id)
      spoken = now
      yield { at, event: record.event }
    }
    if (hasMore) continue
    if (overSince !== undefined && now - overSince > pace.settle) {
      yield 'over'
      return
    }
    if (now - spoken >= pace.heartbeat) {
      spoken = now
      yield 'alive'
    }
    await clock.sleep(pace.look)
  }
}

/** Milliseconds after which a client that lost the connection comes back. */
const RETRY_MS = 2000

/** As server-sent events: `data:` is the event's object, `id:` the place to go on from; `[DONE]` ends the feed of a job that is over. */
export const toEventStream = (feed: AsyncGenerator<Told>): ReadableStream<Uint8Array> => {
  const encoder = new TextEncoder()
  const textOf = (said: Told): string => {
    if (said === 'alive') return ': still here\n\n'
    if (said === 'over') return 'event: done\ndata: [DONE]\n\n'
    return `id: ${said.at}\ndata: ${JSON.stringify({ object: 'fine_tuning.job.event', ...said.event })}\n\n`
  }
  return new ReadableStream({
    start: controller => controller.enqueue(encoder.encode(`retry: ${RETRY_MS}\n\n`)),
    async pull(controller) {
      const { value, done } = await feed.next()
      if (done) controller.close()
      else controller.enqueue(encoder.encode(textOf(value)))
    },
    async cancel() {
      await feed.return(undefined)
    },
  })
}
