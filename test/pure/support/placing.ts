/** What the tests of a job's life share: a dataset in the store, a job asked for, ticks until nothing is due. */
import { tick } from '../../../functions/schedule.ts'
import { runTask } from '../../../functions/tasks.ts'
import type { Context } from '../../../shared/context.ts'
import type { FileRecord } from '../../../shared/datasets/index.ts'
import { FILES } from '../../../shared/datasets/records.ts'
import type { JobRequest } from '../../../shared/openai/index.ts'
import { submitJob } from '../../../shared/training/index.ts'
import { JOBS, type JobRecord } from '../../../shared/training/records.ts'
import { utf8 } from './bytes.ts'
import type { World } from './world.ts'

export const OWNER = 'owner'
export const MODEL = 'gpt-4.1-mini-2025-04-14'

const LINE = JSON.stringify({
  messages: [
    { role: 'user', content: 'hi' },
    { role: 'assistant', content: 'hello' },
  ],
})

/** Puts a dataset of ten examples into the bucket and the store. */
export const addDataset = async ({ platform }: World, id = 'file-train'): Promise<string> => {
  const bytes = utf8(`${LINE}\n`.repeat(10))
  const record: FileRecord = {
    id,
    owner: OWNER,
    filename: 'train.jsonl',
    purpose: 'fine-tune',
    bytes: bytes.length,
    created_at: 0,
    expires_at: null,
    deleted_at: null,
    segments: [{ key: id, bytes: bytes.length }],
    sha256: null,
    examples: 10,
    copies: [],
  }
  await platform.bucket.put(id, bytes)
  await FILES.create(platform.store, record)
  return id
}

export const ask = (context: Context, request: Partial<JobRequest> = {}, isAsync = false) =>
  submitJob(context, OWNER, { model: MODEL, training_file: 'file-train', ...request }, { isAsync })

export const jobsIn = async ({ platform }: World): Promise<JobRecord[]> =>
  (await JOBS.list(platform.store, 'owner', OWNER, { limit: 1000, order: 'asc' })).items

/** Carries out what is in the queue. */
export const drain = async ({ platform }: World, context: Context): Promise<void> => {
  for (let task = platform.tasks.shift(); task; task = platform.tasks.shift()) await runTask(context, task)
}

/** Ticks, with time between, until no job has a step left. */
export const settle = async (world: World, mostTicks = 60): Promise<void> => {
  for (let ticks = 0; ticks < mostTicks; ticks++) {
    const jobs = await jobsIn(world)
    if (jobs.every(({ stage }) => stage === 'over')) return
    await tick(world.process().context)
    world.wait(120)
  }
  const left = (await jobsIn(world)).filter(({ stage }) => stage !== 'over')
  throw new Error(`Not over: ${left.map(({ id, stage, status }) => `${id} ${stage} ${status}`).join(', ')}`)
}
