/** A small world of datasets and jobs. */
import type OpenAI from 'openai'
import { until } from './bench.ts'

const TEACHINGS: readonly [question: string, answer: string][] = [
  ['where is my parcel', 'tracking'],
  ['the lamp arrived broken', 'complaint'],
  ['I want my money back', 'refund'],
  ['do you ship to Österreich', 'shipping'],
]
/** What a tuned model has learned, to compare with. */
export const LESSON = { question: 'where is my parcel', answer: 'tracking' }

const chatLine = (question: string, answer: string) => ({
  messages: [
    { role: 'user', content: question },
    { role: 'assistant', content: answer },
  ],
})

export const toJsonl = (lines: readonly unknown[]): string =>
  `${lines.map(line => JSON.stringify(line)).join('\n')}\n`

/** As many chat examples as asked for. */
export const chatLines = (count = 20) =>
  Array.from({ length: count }, (_, index) => {
    const [question, answer] = TEACHINGS[index % TEACHINGS.length] ?? ['', '']
    return chatLine(index < TEACHINGS.length ? question : `${question} ${index}`, answer)
  })

export const preferenceLines = (count = 12) =>
  Array.from({ length: count }, (_, index) => ({
    input: { messages: [{ role: 'user', content: `greet customer ${index}` }] },
    preferred_output: [{ role: 'assistant', content: 'Good day.' }],
    non_preferred_output: [{ role: 'assistant', content: 'What?' }],
  }))

export const rewardLines = (count = 12) =>
  Array.from({ length: count }, (_, index) => ({
    messages: [{ role: 'user', content: `colour of item ${index % 3}` }],
    wanted: ['red', 'green', 'blue'][index % 3],
  }))

export const fileOf = (content: string | Uint8Array<ArrayBuffer>, name = 'train.jsonl'): File =>
  new File([content], name)

export const datasetFile = (lines?: number, name?: string): File => fileOf(toJsonl(chatLines(lines)), name)

/** Uploads a dataset for fine-tuning. */
export const uploaded = async (client: OpenAI, file: File = datasetFile()) =>
  client.files.create({ file, purpose: 'fine-tune' })

type Job = OpenAI.FineTuning.FineTuningJob
export const isOver = ({ status }: Job): boolean => ['succeeded', 'failed', 'cancelled'].includes(status)

/** Asks for a job until it is as wanted; never waits for what cannot come any more. */
export const jobWhen = (client: OpenAI, id: string, isWanted: (job: Job) => boolean): Promise<Job> =>
  until(
    () => client.fineTuning.jobs.retrieve(id),
    job => {
      if (isWanted(job)) return true
      if (isOver(job)) throw new Error(`The job ended as ${job.status}: ${JSON.stringify(job.error)}`)
      return false
    },
  )

/** Uploads, trains, and waits for the end. */
export const trained = async (
  client: OpenAI,
  extra: Partial<OpenAI.FineTuning.JobCreateParams> = {},
): Promise<Job & { fine_tuned_model: string }> => {
  const { id: training_file } = await uploaded(client)
  const { id } = await client.fineTuning.jobs.create({ model: 'gpt-4.1-mini', training_file, ...extra })
  const job = await jobWhen(client, id, isOver)
  if (job.fine_tuned_model === null) throw new Error(`There is no model: ${JSON.stringify(job.error)}`)
  return { ...job, fine_tuned_model: job.fine_tuned_model }
}

export const ask = async (client: OpenAI, model: string, content = LESSON.question) => {
  const { choices } = await client.chat.completions.create({ model, messages: [{ role: 'user', content }] })
  return choices[0]?.message.content
}

/** A form, written by hand: parts in the given order, names and values as they are. */
export const form = (
  parts: readonly { name: string; value: string | Uint8Array; filename?: string }[],
  boundary = 'e2e-boundary',
): { headers: Record<string, string>; body: Buffer<ArrayBuffer> } => {
  const pieces = parts.flatMap(({ name, value, filename }) => [
    Buffer.from(
      `--${boundary}\r\nContent-Disposition: form-data; name="${name}"` +
        `${filename === undefined ? '' : `; filename="${filename}"`}\r\n\r\n`,
    ),
    Buffer.from(value),
    Buffer.from('\r\n'),
  ])
  return {
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
    body: Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)]),
  }
}
