/**
 * A job's events in our store, and what the gateway itself adds to them.
 * @module
 */
import type { Context } from '../context.ts'
import { badRequest } from '../openai/index.ts'
import { type Page, type PageQuery, toBase62 } from '../platform/index.ts'
import type { NativeEvent } from '../providers/index.ts'
import { EVENTS, type EventRecord, type JobRecord } from './records.ts'

/**
 * Ids of events sort by time, then by their place in the feed, and follow from both: the same event always gets the
 * same id. The job's last characters keep ids of different jobs apart.
 */
export const eventId = (job: string, milliseconds: number, place: number) =>
  `ftevent-${toBase62(milliseconds, 8)}${toBase62(place, 4)}${job.slice(-8)}`

/** Places there are within a millisecond. */
const PLACES = 62 ** 4
/** Keeps apart what is told within the same millisecond. */
let told = 0

/** Something the gateway itself has to say about a job. */
export interface Saying {
  level: NativeEvent['level']
  message: string
  data?: Record<string, unknown>
}

/** Writes what the gateway itself has to say about a job. */
export const tell = async (
  context: Context,
  job: Pick<JobRecord, 'id'>,
  said: readonly Saying[],
): Promise<void> => {
  const now = context.platform.clock.now()
  const records = said.map(
    ({ level, message, data = {} }): EventRecord => ({
      job: job.id,
      written_at: now,
      event: {
        id: eventId(job.id, now, told++ % PLACES),
        created_at: Math.floor(now / 1000),
        level,
        message,
        type: 'message',
        data: { ...data, source: 'tunegate' },
      },
    }),
  )
  await EVENTS.putAll(context.platform.store, records)
}

/** A page of the store's events, newest first. */
export const listEvents = async (
  context: Context,
  job: JobRecord,
  query: PageQuery,
): Promise<Page<EventRecord['event']>> => {
  if (query.after !== undefined && !query.after.startsWith('ftevent-')) {
    throw badRequest('after', `No such event: '${query.after}'.`)
  }
  const { items, hasMore } = await EVENTS.list(context.platform.store, 'job', job.id, query)
  return { items: items.map(({ event }) => event), hasMore }
}
