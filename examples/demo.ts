/**
 * The whole path once: a dataset becomes a tuned model that you can talk to.
 *
 * `npm run demo` starts the gateway and the provider sandbox on this machine, then does what any program would do with
 * the official OpenAI client. Start reading at {@link runDemo}: only the client's base URL is ours.
 *
 * @module
 */
import { createReadStream } from 'node:fs'
import OpenAI from 'openai'
import type { FileObject } from 'openai/resources/files'
import type { FineTuningJob } from 'openai/resources/fine-tuning/jobs'
import { interruption } from '../sandbox/interruption.ts'
import { type Stack, startStack } from '../sandbox/stack.ts'
import { DatasetError, type Example, readDataset } from './lib/dataset.ts'
import { deploy, takeDown } from './lib/deployment.ts'
import { type Answer, examine, scoreOf } from './lib/exam.ts'
import { type DemoOptions, HELP, parseOptions, type Target, UsageError } from './lib/options.ts'
import { stepMsFor } from './lib/pace.ts'
import { bar, finalLosses } from './lib/progress.ts'
import { type Trace, type Traits, traitsOf } from './lib/providers.ts'
import { comparisonTable, type Outcome, sample, scoreTable, spread } from './lib/report.ts'
import { bold, columns, dim, draw, erase, red, say } from './lib/screen.ts'
import { reasonOf, StepFailed, step } from './lib/step.ts'
import { watch } from './lib/watch.ts'

/**
 * Tunes a model and examines it on questions it has never seen. Returns only if every step truly happened.
 *
 * @param client speaks for one provider: the requests are the same for all
 * @throws {StepFailed} naming the step that did not.
 */
export async function runDemo(client: OpenAI, story: Story): Promise<Outcome> {
  const { provider, model, questions } = story
  const { isDeployed, callAs = name => name } = traitsOf(provider)
  const baseModel = callAs(model)

  const files = await step('Upload the dataset', () => upload(client, story))
  const start = performance.now()
  const job = await step('Create the fine-tuning job', () => createJob(client, story, files))
  const tunedModel = await step('Watch it train', () => untilTuned(client, job, traitsOf(provider)))
  const trainingSeconds = (performance.now() - start) / 1000
  if (isDeployed) await step('Deploy the tuned model', () => untilReady(client, job, tunedModel))

  const count = questions.length.toLocaleString('en')
  const base = await step(`Ask the base model ${count} unseen questions`, () =>
    ask(client, baseModel, questions),
  )
  const tuned = await step('Ask the tuned model the same', () => ask(client, tunedModel, questions))
  await step('Compare the two', async () => compare(baseModel, base, tunedModel, tuned))
  await step('Stream one answer of the tuned model', () => streamAnswer(client, tunedModel, questions))
  if (isDeployed) await step('Take the deployment down', () => takeDown(client, job.id))
  return { base: scoreOf(base), tuned: scoreOf(tuned), trainingSeconds }
}

/** What to do where, and with which data. */
export interface Story extends Target, Pick<DemoOptions, 'train' | 'valid' | 'epochs'> {
  questions: Example[]
}

/** Questions under way at a time; latencies are measured under this load. */
const CONCURRENCY = 16
const LATENCY_NOTE = `latency with ${CONCURRENCY} questions under way at a time, after a warm-up`

interface Files {
  training: FileObject
  validation: FileObject | undefined
}

async function upload(client: OpenAI, { train, valid }: Story): Promise<Files> {
  const send = async (path: string): Promise<FileObject> => {
    const file = await client.files.create({ file: createReadStream(path), purpose: 'fine-tune' })
    say(`  ${file.id}  ${file.filename}, ${file.bytes.toLocaleString('en')} bytes`)
    return file
  }
  return { training: await send(train), validation: valid ? await send(valid) : undefined }
}

async function createJob(client: OpenAI, story: Story, files: Files): Promise<FineTuningJob> {
  const job = await client.fineTuning.jobs.create({
    model: story.model,
    training_file: files.training.id,
    validation_file: files.validation?.id ?? null,
    method: { type: 'supervised', supervised: { hyperparameters: { n_epochs: story.epochs ?? 'auto' } } },
    suffix: 'demo',
  })
  const provider = providerOf(job)
  if (provider !== story.provider) throw new Error(`the job went to ${provider}, not to ${story.provider}`)
  say(`  ${job.id}  ${job.model}, ${job.status}`)
  return job
}

/** The gateway's jobs are OpenAI's and a little more. */
const providerOf = (job: FineTuningJob & { tunegate?: { provider?: string } }): string | undefined =>
  job.tunegate?.provider

/** Follows the job to its end, prints what it left behind and returns the tuned model's name. */
async function untilTuned(client: OpenAI, { id }: FineTuningJob, traits: Traits): Promise<string> {
  const leaves = new Set(traits.leaves)
  const { job, history } = await watch(client, id, leaves.has('losses') ? 'losses' : 'states')
  if (job.status !== 'succeeded')
    throw new Error(`the job is ${job.status}: ${job.error?.message ?? 'no reason given'}`)

  const { fine_tuned_model: model, trained_tokens: tokens, result_files: results } = job
  const { train, valid } = finalLosses(history)
  const { data: checkpoints } = await client.fineTuning.jobs.checkpoints.list(id)
  const mustHave = (trace: Trace, isThere: boolean, lack: string): void => {
    if (leaves.has(trace) && !isThere) throw new Error(`the job succeeded but ${lack}`)
  }
  if (!model) throw new Error('the job succeeded but names no tuned model')
  mustHave('tokens', Boolean(tokens), 'counts no trained tokens')
  mustHave('losses', train !== undefined, 'reported no training loss')
  mustHave('checkpoints', checkpoints.length > 0, 'left no checkpoint')
  mustHave('results', results.length > 0, 'left no result file')

  say(`  model           ${bold(model)}`)
  if (train !== undefined)
    say(
      `  final loss      train ${train.toFixed(3)}${valid === undefined ? '' : `, valid ${valid.toFixed(3)}`}`,
    )
  if (tokens) say(`  trained tokens  ${tokens.toLocaleString('en')}`)
  for (const { step_number, metrics } of checkpoints.toReversed()) {
    const loss = metrics.full_valid_loss ?? metrics.valid_loss
    say(`  checkpoint      step ${step_number}${loss === undefined ? '' : `, valid loss ${loss.toFixed(3)}`}`)
  }
  if (!leaves.has('losses')) for (const file of results) await showResult(client, file)
  return model
}

/** What the provider measured, where it tells only when all is done. */
async function showResult(client: OpenAI, id: string): Promise<void> {
  const { filename } = await client.files.retrieve(id)
  const lines = (await (await client.files.content(id)).text()).trim().split('\n')
  if (lines.length < 2) throw new Error(`the result file ${filename} is empty`)
  say(`  result file     ${filename}: ${lines[0]}`)
  say(`                  ${' '.repeat(filename.length)}  ${lines.at(-1)}`)
}

/** Deploys the tuned model, which answers by the same name. */
async function untilReady(client: OpenAI, { id }: FineTuningJob, model: string): Promise<void> {
  let last = ''
  const deployment = await deploy(client, id, {
    onLook: ({ status }) => {
      if (status !== last) say(`  ${status}`)
      last = status
    },
  })
  if (deployment.model !== model) throw new Error(`${deployment.model} was deployed instead of ${model}`)
}

async function ask(client: OpenAI, model: string, questions: Example[]): Promise<Answer[]> {
  const total = questions.length
  return examine(client, model, questions, {
    concurrency: CONCURRENCY,
    onAnswer: done => draw(`  ${bar(done / total, 24)}  ${done}/${total}`),
  })
}

function compare(baseModel: string, base: Answer[], tunedModel: string, tuned: Answer[]): void {
  const [before, after] = [scoreOf(base), scoreOf(tuned)]
  const print = (text: string): void => say(`\n${text}`.replaceAll('\n', '\n  '))
  const scores = [[baseModel, before] as const, [tunedModel, after] as const]
  print(`${scoreTable(scores)}\n${dim(LATENCY_NOTE)}`)

  const pairs = base.flatMap((answer, index) => {
    const other = tuned[index]
    return other ? [sample(answer, other, columns() - 4)] : []
  })
  for (const text of spread(pairs, 3)) print(text)
  say()
  if (after.right <= before.right) throw new Error('the tuned model is no better than the base model')
}

async function streamAnswer(client: OpenAI, model: string, [question]: Example[]): Promise<void> {
  if (!question) throw new Error('there is no question to ask')
  const stream = await client.chat.completions.create({ model, messages: question.prompt, stream: true })
  let text = ''
  let finish: string | null | undefined
  process.stdout.write('  ')
  for await (const { choices } of stream) {
    const delta = choices[0]?.delta.content ?? ''
    process.stdout.write(delta)
    text += delta
    finish = choices[0]?.finish_reason ?? finish
  }
  process.stdout.write('\n')
  if (!text.trim()) throw new Error('the stream carried no text')
  if (finish !== 'stop') throw new Error(`the stream ended without "stop" (finish_reason: ${finish})`)
}

const NEXT = `What next?
  npm run dev                       gateway and sandbox stay up; point any OpenAI client at them
  npm run demo -- --help            the same with a dataset of your own
  README.md                         curl and SDK examples, and how to connect a real provider`

/** Everything around the story: arguments, the servers, and a clean end whatever happens. */
async function main(args: string[]): Promise<number> {
  const options = parseOptions(args)
  if (options === 'help') {
    say(HELP.trimEnd())
    return 0
  }
  // Read all three before anything is started: a typo in a path should not cost a minute.
  const training = await readDataset(options.train)
  if (options.valid) await readDataset(options.valid)
  const questions = await readDataset(options.test)

  // `npm run demo | head` closes our output early; that is no reason for a stack trace.
  process.stdout.on('error', () => process.exit(1))
  const interrupted = interruption()

  let stack: Stack | undefined
  const complain = (error: unknown): undefined => {
    if (!(error instanceof StepFailed)) throw error
    say(`\n${red('✗')} ${bold(error.title)} did not work:\n  ${error.message}`)
    if (!isRefusal(error.cause)) showLog(stack)
  }
  const story = async (): Promise<number> => {
    const client = await step('Start the gateway and the sandbox', async () => {
      stack = await startStack({ platform: options.platform })
      say(`  ${stack.baseURL}`)
      return new OpenAI({ baseURL: stack.baseURL, apiKey: await stack.createKey('demo') })
    })
    const { targets } = options
    const outcomes: [Target, Outcome | undefined][] = []
    for (const target of targets) {
      if (targets.length > 1) say(`\n${bold(`── ${target.provider} ──`)}`)
      await setPace(stack, stepMsFor(training.length, options.epochs, traitsOf(target.provider).habits))
      // The one thing that differs between providers, besides the model.
      const itsClient = client.withOptions({ defaultHeaders: { 'x-tunegate-provider': target.provider } })
      const telling = runDemo(itsClient, { ...options, ...target, questions })
      outcomes.push([target, await (targets.length > 1 ? telling.catch(complain) : telling)])
    }
    if (targets.length > 1)
      say(`\n${bold('All providers')}\n\n${comparisonTable(outcomes)}\n${dim(LATENCY_NOTE)}`)
    if (outcomes.some(([, outcome]) => !outcome)) return 1
    say(`\n${NEXT}`)
    return 0
  }

  try {
    // Interrupted while the servers start: leaving is enough, nothing they started outlives this process.
    return await Promise.race([story(), interrupted])
  } catch (error) {
    complain(error)
    return 1
  } finally {
    erase()
    await stack?.stop()
  }
}

/** Lets the sandbox train slowly enough to watch. */
async function setPace(stack: Stack | undefined, stepMs: number): Promise<void> {
  if (!stack) return
  const { ok, status } = await fetch(`${stack.sandbox.origin}/_sandbox/settings`, {
    method: 'POST',
    body: JSON.stringify({ stepMs }),
  })
  if (!ok) throw new Error(`the sandbox does not take a pace of ${stepMs} ms a step: ${status}`)
}

/** A 4xx says itself what was wrong; the gateway's log would only bury it. */
const isRefusal = (error: unknown): boolean =>
  error instanceof OpenAI.APIError && error.status !== undefined && error.status < 500

function showLog(stack: Stack | undefined): void {
  const lines = stack?.output().split('\n').slice(-15) ?? []
  if (lines.length > 0) say(dim(`\nthe gateway's last words:\n${lines.join('\n')}`))
}

if (import.meta.main) {
  try {
    process.exit(await main(process.argv.slice(2)))
  } catch (error) {
    const expected = error instanceof UsageError || error instanceof DatasetError
    process.stderr.write(`${expected || !(error instanceof Error) ? reasonOf(error) : error.stack}\n`)
    if (error instanceof UsageError) process.stderr.write('Try: npm run demo -- --help\n')
    process.exit(error instanceof UsageError ? 2 : 1)
  }
}
