/** Shows a job while it trains. @module */
import type OpenAI from 'openai'
import type { FineTuningJob, FineTuningJobEvent } from 'openai/resources/fine-tuning/jobs'
import { follow } from './follow.ts'
import { type Metrics, metricsOf, progressLine, progressLogLine, reachedTenth } from './progress.ts'
import { columns, dim, draw, live, say } from './screen.ts'

/** A provider that tells only of states is silent while it trains. */
const PATIENCE_MS = { losses: 60_000, states: 600_000 }

/**
 * Follows a job to its end; returns it as it is then, with everything the trainer measured.
 *
 * @param shows what the provider tells on the way: losses step by step, or merely changes of state
 */
export async function watch(
  client: OpenAI,
  jobId: string,
  shows: keyof typeof PATIENCE_MS,
): Promise<{ job: FineTuningJob; history: Metrics[] }> {
  const history: Metrics[] = []
  const start = performance.now()
  const onLook = (status: FineTuningJob['status']): void => {
    if (shows === 'states') draw(`  ${status}, ${Math.round((performance.now() - start) / 1000)} s`)
  }
  for await (const events of follow(client, jobId, { patienceMs: PATIENCE_MS[shows], onLook })) {
    for (const event of events) {
      const metrics = metricsOf(event)
      if (!metrics) {
        say(dim(`  ${clockOf(event)}  ${event.message}`))
        continue
      }
      const due = reachedTenth(history.at(-1), metrics)
      history.push(metrics)
      if (due && !live) say(`  ${progressLogLine(history)}`)
    }
    if (history.length > 0) draw(`  ${progressLine(history, columns() - 3)}`)
  }
  return { job: await client.fineTuning.jobs.retrieve(jobId), history }
}

const clockOf = ({ created_at }: FineTuningJobEvent): string =>
  new Date(created_at * 1000).toLocaleTimeString('en-GB')
