/** Follows a fine-tuning job from outside, as any client can: by asking again and again. @module */
import { setTimeout as sleep } from 'node:timers/promises'
import type OpenAI from 'openai'
import type { FineTuningJob, FineTuningJobEvent } from 'openai/resources/fine-tuning/jobs'

const FINAL: ReadonlySet<FineTuningJob['status']> = new Set(['succeeded', 'failed', 'cancelled'])

/**
 * Yields a job's new events, oldest first, each time there are some, until the job has ended and its last was seen.
 * `onLook` hears of the status at each look, news or not.
 *
 * @throws if nothing at all happens for `patienceMs`.
 */
export async function* follow(
  client: OpenAI,
  jobId: string,
  { pollMs = 200, patienceMs = 60_000, onLook = (_status: FineTuningJob['status']): void => {} } = {},
): AsyncGenerator<FineTuningJobEvent[], void> {
  let lastSeen: string | undefined
  let lastStatus: string | undefined
  let lastNews = Date.now()

  while (true) {
    // The status first, the events after it: a job seen as ended has written its last event by then.
    const { status } = await client.fineTuning.jobs.retrieve(jobId)
    onLook(status)
    const fresh = await eventsSince(client, jobId, lastSeen)
    if (fresh.length > 0) yield fresh
    if (FINAL.has(status)) return

    if (fresh.length > 0 || status !== lastStatus) lastNews = Date.now()
    if (Date.now() - lastNews > patienceMs) {
      throw new Error(`the job is ${status} and has been silent for ${Math.round(patienceMs / 1000)} s`)
    }
    lastSeen = fresh.at(-1)?.id ?? lastSeen
    lastStatus = status
    await sleep(pollMs)
  }
}

/** The API lists the newest first: walk back, page by page, until the last event we know. */
async function eventsSince(
  client: OpenAI,
  jobId: string,
  lastSeen: string | undefined,
): Promise<FineTuningJobEvent[]> {
  const fresh: FineTuningJobEvent[] = []
  for await (const event of client.fineTuning.jobs.listEvents(jobId, { limit: 100 })) {
    if (event.id === lastSeen) break
    fresh.push(event)
  }
  return fresh.reverse()
}
