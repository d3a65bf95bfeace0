/** Shows a job while it trains. @module */
import type OpenAI from 'openai'
import type { FineTuningJob, FineTuningJobEvent } from 'openai/resources/fine-tuning/jobs'
import { follow } from './follow.ts'
import { type Metrics, metricsOf, progressLine, progressLogLine, reachedTenth } from './progress.ts'
import { columns, dim, draw, live, say } from './screen.ts'

/** Follows a job to its end; returns it as it is then, with everything the trainer measured. */
export async function watch(
  client: OpenAI,
  jobId: string,
): Promise<{ job: FineTuningJob; history: Metrics[] }> {
  const history: Metrics[] = []
  for await (const events of follow(client, jobId)) {
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
