/** What the sandbox's tests share: a server with a client on it, and a small world of bank customers. */
import OpenAI, { APIError, toFile } from 'openai'
import { afterAll, afterEach, beforeAll, expect } from 'vitest'
import { type Sandbox, type SandboxOptions, startSandbox } from '../../sandbox/server.ts'

export interface Bench {
  sandbox: Sandbox
  client: OpenAI
  /** Calls the server without the SDK; the answer's JSON. */
  raw(
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ status: number; headers: Headers; json: unknown }>
  set(settings: { stepMs?: number; chunkMs?: number }): Promise<void>
  state(): Promise<State>
}

export interface State {
  files: { count: number }
  jobs: {
    count: number
    items: { id: string; status: string; metadata: Record<string, string>; step: number }[]
  }
  models: { count: number; items: string[] }
  streams: { open: number; items: { chunks: number; open: boolean; end: string | null }[] }
}

/** One server for a test file, forgetting everything after each test. */
export function useSandbox(options: SandboxOptions = {}): Bench {
  let started: { sandbox: Sandbox; client: OpenAI } | undefined
  const now = () => {
    if (!started) throw new Error('The sandbox has not started.')
    return started
  }
  const bench: Bench = {
    get sandbox() {
      return now().sandbox
    },
    get client() {
      return now().client
    },
    async raw(method, path, body) {
      const { sandbox } = now()
      const response = await fetch(sandbox.origin + path, {
        method,
        headers: { authorization: `Bearer ${sandbox.apiKey}`, 'content-type': 'application/json' },
        ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      })
      const text = await response.text()
      return {
        status: response.status,
        headers: response.headers,
        json: text === '' ? null : JSON.parse(text),
      }
    },
    async set(settings) {
      await bench.raw('POST', '/_sandbox/settings', settings)
    },
    async state() {
      const { json } = await bench.raw('GET', '/_sandbox/state')
      return json as State
    },
  }
  beforeAll(async () => {
    const sandbox = await startSandbox(options)
    started = {
      sandbox,
      client: new OpenAI({ baseURL: sandbox.openaiBaseUrl, apiKey: sandbox.apiKey, maxRetries: 0 }),
    }
  })
  afterEach(async () => {
    bench.sandbox.reset()
    await bench.set({ stepMs: 0, chunkMs: 0 })
  })
  afterAll(() => bench.sandbox.close())
  return bench
}

const INTENTS = {
  lost_card: ['my card is gone', 'I lost my card', 'somebody stole my card', 'I cannot find my debit card'],
  balance: [
    'how much money do I have',
    'show my balance',
    'what is left on my account',
    'tell me my balance',
  ],
  transfer: [
    'send money to Anna',
    'transfer funds abroad',
    'wire money to my landlord',
    'make a bank transfer',
  ],
  pin: ['I forgot my PIN', 'change my PIN code', 'the PIN does not work', 'unblock my PIN please'],
}
const OPENINGS = ['', 'Hello, ', 'Hi there: ', 'Please, ', 'Quick question, ', 'Sorry to ask, ']

export type Intent = keyof typeof INTENTS

export interface Sample {
  text: string
  intent: Intent
}

/** 96 customers' sentences: with every fourth phrase kept for testing, or those alone. */
export function samples(part: 'train' | 'heldOut'): Sample[] {
  const all = Object.entries(INTENTS).flatMap(([intent, phrases]) =>
    phrases.flatMap((phrase, phraseIndex) =>
      OPENINGS.map((opening, index) => ({
        text: opening + phrase,
        intent: intent as Intent,
        heldOut: (phraseIndex + index) % 4 === 0,
      })),
    ),
  )
  return all
    .filter(({ heldOut }) => heldOut === (part === 'heldOut'))
    .map(({ text, intent }) => ({ text, intent }))
}

export const jsonl = (lines: readonly unknown[]): string =>
  `${lines.map(line => JSON.stringify(line)).join('\n')}\n`

export const chatLine = ({ text, intent }: Sample) => ({
  messages: [
    { role: 'system', content: 'Name the intent.' },
    { role: 'user', content: text },
    { role: 'assistant', content: intent },
  ],
})

export async function upload({ client }: Bench, lines: readonly unknown[] | string): Promise<string> {
  const content = typeof lines === 'string' ? lines : jsonl(lines)
  const file = await client.files.create({
    file: await toFile(Buffer.from(content), 'data.jsonl'),
    purpose: 'fine-tune',
  })
  return file.id
}

type Job = OpenAI.FineTuning.FineTuningJob

/** Polls until the job is as wanted. */
export async function jobWhen({ client }: Bench, id: string, wanted: (job: Job) => boolean): Promise<Job> {
  for (;;) {
    const job = await client.fineTuning.jobs.retrieve(id)
    if (wanted(job)) return job
    if (isOver(job)) throw new Error(`The job ended as ${job.status}: ${JSON.stringify(job.error)}`)
    await new Promise(resolve => setTimeout(resolve, 2))
  }
}

export const isOver = (job: Job): boolean => ['succeeded', 'failed', 'cancelled'].includes(job.status)

export const jobEnd = (bench: Bench, id: string): Promise<Job> => jobWhen(bench, id, isOver)

/** Trains on the bank's customers and waits for the end. */
export async function trained(
  bench: Bench,
  extra: Partial<OpenAI.FineTuning.JobCreateParams> = {},
): Promise<Job> {
  const training_file = await upload(bench, samples('train').map(chatLine))
  const job = await bench.client.fineTuning.jobs.create({ model: 'gpt-4.1-mini', training_file, ...extra })
  return jobEnd(bench, job.id)
}

export function tunedName(job: Job): string {
  if (job.fine_tuned_model === null) throw new Error(`There is no model: ${JSON.stringify(job.error)}`)
  return job.fine_tuned_model
}

export async function ask(
  { client }: Bench,
  model: string,
  text: string,
): Promise<string | null | undefined> {
  const completion = await client.chat.completions.create({
    model,
    messages: [
      { role: 'system', content: 'Name the intent.' },
      { role: 'user', content: text },
    ],
  })
  return completion.choices[0]?.message.content
}

/** Share of the held-out sentences that the model names right. */
export async function accuracyOf(bench: Bench, model: string): Promise<number> {
  const answers = await Promise.all(
    samples('heldOut').map(async ({ text, intent }) => (await ask(bench, model, text)) === intent),
  )
  return answers.filter(Boolean).length / answers.length
}

/** The API error that a call must end in. */
export async function refusal(call: PromiseLike<unknown>): Promise<APIError> {
  try {
    await call
  } catch (error) {
    if (error instanceof APIError) return error
    throw error
  }
  return expect.fail('The call was not refused.')
}
