/**
 * A provider's feed of events, copied into our store.
 * @module
 */
import type { Context } from '../context.ts'
import { type Connection, isOutOfReach, type NativeEvent } from '../providers/index.ts'
import { eventId } from './events.ts'
import { EVENTS, type EventRecord, isTerminal, JOBS, type JobRecord } from './records.ts'
import { connectionOf } from './refresh.ts'

/** Events asked of a provider at a time. */
const FEED_PAGE = 100
/** No feed is read further back than this in one go. */
const MOST_FEED_PAGES = 500

/** What is new in the provider's feed, oldest first. */
const readFeed = async (
  { provider, channel }: Connection,
  nativeId: string,
  known: string | null,
): Promise<NativeEvent[]> => {
  if (!provider.jobs.events) return []
  const news: NativeEvent[] = []
  for (let pages = 0, after: string | undefined; pages < MOST_FEED_PAGES; pages++) {
    const page = await provider.jobs.events(channel, nativeId, { after, limit: FEED_PAGE })
    for (const event of page.items) {
      if (event.id === known) return news.reverse()
      news.push(event)
    }
    after = page.items.at(-1)?.id
    if (!page.hasMore || after === undefined) break
  }
  return news.reverse()
}

/**
 * Brings the store up to the provider's feed; while the provider cannot be asked, what is known stands. Two at once
 * write the same records under the same ids. The job must have been refreshed just before: a feed read after the
 * job's end is known to be whole.
 */
export const syncEvents = async (context: Context, job: JobRecord): Promise<void> => {
  if (job.native_id === null || job.feed.is_complete) return
  let news: NativeEvent[]
  try {
    const connection = await connectionOf(context, job)
    news = await readFeed(connection, job.native_id, job.feed.last_native_id)
  } catch (error) {
    if (isOutOfReach(error)) return
    throw error
  }
  const written_at = context.platform.clock.now()
  const records = news.map((event, index): EventRecord => {
    // After the gateway's own events of the same second.
    const id = eventId(job.id, event.created_at * 1000 + 999, job.feed.count + index)
    return { job: job.id, event: { ...event, id }, written_at }
  })
  await EVENTS.putAll(context.platform.store, records)
  const feed = {
    last_native_id: news.at(-1)?.id ?? job.feed.last_native_id,
    count: job.feed.count + news.length,
    is_complete: isTerminal(job.status),
  }
  const isNews = (known: JobRecord['feed']) =>
    feed.count > known.count || (feed.is_complete && !known.is_complete)
  await JOBS.update(context.platform.store, job.id, value =>
    isNews(value.feed) ? { ...value, feed } : value,
  )
}
