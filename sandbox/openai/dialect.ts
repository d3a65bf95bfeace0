/** Where providers that speak OpenAI's fine-tuning differ from OpenAI. */
import { newId } from '../ids.ts'
import { check } from './errors.ts'
import { type Action, type Job, type JobEvent, wireEvent, wireJob } from './job.ts'
import { type JobRequest, jobRequest } from './job-schema.ts'
import type { ByteOrderMark } from './jsonl.ts'
import { type Columns, OPENAI_COLUMNS } from './results.ts'

export interface FileDialect {
  byteOrderMark: ByteOrderMark
  /** Allowed `expires_after.seconds`. */
  lifetime: { min: number; max: number }
  /** Answers an upload. */
  created: 200 | 201
  /** How often a new file must be looked at before it is processed. */
  looks: () => number
}

export const OPENAI_FILES: FileDialect = {
  byteOrderMark: 'refused',
  lifetime: { min: 3600, max: 2_592_000 },
  created: 200,
  looks: () => 0,
}

export interface JobDialect {
  /**
   * Checks the body of a creation.
   *
   * @throws {ApiError} 400
   */
  readRequest(body: unknown): JobRequest
  /** What is worth a warning in a request that is accepted. */
  warnings(request: JobRequest): string[]
  /** Answers a creation. */
  created: 200 | 201
  /** A name that no other model has. */
  newModelName(job: Job): string
  results: { filename: string; columns: Columns }
  /** @param told set in the answer to being told */
  wireJob(job: Job, told?: Action): object
  wireEvent(event: JobEvent): object
}

export const OPENAI_JOBS: JobDialect = {
  readRequest: body => check(jobRequest, body),
  warnings: () => [],
  created: 200,
  newModelName: ({ base, request }) => `ft:${base.id}:sandbox:${request.suffix ?? ''}:${newId('', 8)}`,
  results: { filename: 'step_metrics.csv', columns: OPENAI_COLUMNS },
  wireJob,
  wireEvent,
}
