import { describe, expect, it } from 'vitest'
import { type Example, FORMATS } from '../../shared/datasets/formats/index.ts'
import {
  copiesOf,
  countFile,
  findFile,
  readFile,
  tokenCounterFor,
  uploadFile,
} from '../../shared/datasets/index.ts'
import { FILES } from '../../shared/datasets/records.ts'
import { check, type JobRequest, jobRequest } from '../../shared/openai/index.ts'
import type { DatasetFormat } from '../../shared/providers/index.ts'
import { complete } from '../../shared/serving/index.ts'
import { jobEvents, submitJob } from '../../shared/training/index.ts'
import { nativeJob, startFake } from './support/fake-provider.ts'

const OWNER = 'owner'
const example = (more: object = {}) => ({
  messages: [
    { role: 'user', content: 'ü' },
    { role: 'assistant', content: 'b' },
  ],
  ...more,
})
const LOSSY = example({ parallel_tool_calls: true })
const toText = (examples: object[]) => examples.map(line => `${JSON.stringify(line)}\r\n`).join('')
const PLAIN = toText(Array.from({ length: 12 }, () => example()))

const start = () => {
  const bench = startFake()
  const { context, state } = bench
  state.job = nativeJob({ status: 'running', fineTunedModel: null })
  return {
    ...bench,
    async upload(text: string) {
      const body = new FormData()
      body.append('purpose', 'fine-tune')
      body.append('file', new File([text], 'train.jsonl'))
      return (await uploadFile(context, OWNER, new Request('http://x', { method: 'POST', body }))).id
    },
    submit: (fields: Partial<JobRequest> & { training_file: string }) =>
      submitJob(context, OWNER, check(jobRequest, { model: 'base', ...fields })),
    warnings: async (id: string) =>
      (await jobEvents(context, OWNER, id, { limit: 1000 })).data
        .filter(({ level }) => level === 'warn')
        .map(({ message }) => message)
        .filter(message => message.startsWith('Dropped')),
  }
}

describe('what a provider has no place for in a job', () => {
  const DROPPED = [
    { param: 'seed', message: 'there is no seed' },
    { param: 'integrations', message: 'there are none' },
  ]

  it('is refused, the first of it, and nothing is sent', async () => {
    const { state, upload, submit } = start()
    state.dropped = DROPPED
    const training_file = await upload(PLAIN)
    for (const fields of [{}, { drop_params: false }]) {
      await expect(submit({ training_file, seed: 1, ...fields })).rejects.toMatchObject({
        status: 400,
        code: 'feature_unsupported',
        param: 'seed',
        message: 'there is no seed.',
      })
    }
    expect([state.files, state.submissions]).toEqual([{}, []])
  })

  it('is dropped on demand, all of it, and told', async () => {
    const { state, upload, submit, warnings } = start()
    state.dropped = DROPPED
    const { id } = await submit({ training_file: await upload(PLAIN), seed: 1, drop_params: true })
    expect(state.submissions).toHaveLength(1)
    expect((await warnings(id)).toSorted()).toEqual([
      "Dropped: 'integrations': there are none.",
      "Dropped: 'seed': there is no seed.",
    ])
  })

  it("gets the provider's own options, and no other's", async () => {
    const { state, upload, submit } = start()
    const training_file = await upload(PLAIN)
    await submit({ training_file, provider_options: { fake: { a: 1 }, other: { b: 2 } } })
    await submit({ training_file, provider_options: { other: { b: 2 } } })
    await submit({ training_file })
    expect(state.submissions.map(({ options }) => options)).toEqual([{ a: 1 }, {}, {}])
  })

  it('sends no seed of its own', async () => {
    const { state, upload, submit } = start()
    const training_file = await upload(PLAIN)
    await submit({ training_file })
    await submit({ training_file, seed: 0 })
    expect(state.submissions.map(({ seed }) => seed)).toEqual([null, 0])
  })
})

describe("what the model's format has no place for in a dataset", () => {
  const MIXED = `\uFEFF${toText(Array.from({ length: 12 }, () => example()))}\r\n${toText([LOSSY, LOSSY])}`

  it('is refused with its lines, before anything is sent', async () => {
    const { state, upload, submit, platform } = start()
    state.format = 'claude'
    const training_file = await upload(MIXED)
    await expect(submit({ training_file })).rejects.toMatchObject({
      status: 400,
      code: 'invalid_dataset',
      param: 'training_file',
      message: expect.stringMatching(/'claude'.*drop_params.*: line 14: parallel_tool_calls .*; line 15: /),
    })
    const validation_file = training_file
    await expect(submit({ training_file: await upload(PLAIN), validation_file })).rejects.toMatchObject({
      code: 'invalid_dataset',
      param: 'validation_file',
    })
    expect(state.submissions).toEqual([])
    expect(platform.bucket.objects.size).toBe(2)
  })

  it('names some and counts the rest', async () => {
    const { state, upload, submit } = start()
    state.format = 'nova'
    const training_file = await upload(toText(Array.from({ length: 25 }, () => LOSSY)))
    const error = (await submit({ training_file }).catch((thrown: unknown) => thrown)) as Error
    expect(error.message.match(/line \d+/g)).toHaveLength(10)
    expect(error.message).toMatch(/and 15 more\.$/)
  })

  it('is left out on demand, and told line by line', async () => {
    const { state, upload, submit, warnings } = start()
    state.format = 'claude'
    const { id } = await submit({ training_file: await upload(MIXED), drop_params: true })
    const sent = Object.values(state.files)
    expect(sent).toHaveLength(1)
    expect(sent[0]?.trimEnd().split('\n')).toHaveLength(14)
    expect(sent[0]).not.toMatch(/parallel_tool_calls|\r|\uFEFF/)
    expect((await warnings(id)).toSorted()).toEqual([
      expect.stringMatching(/^Dropped: 'training_file', line 14: parallel_tool_calls /),
      expect.stringMatching(/^Dropped: 'training_file', line 15: parallel_tool_calls /),
    ])
  })

  it('is refused though another job has had it left out: its copy is not taken in silence', async () => {
    const { state, upload, submit } = start()
    state.format = 'claude'
    const training_file = await upload(MIXED)
    await submit({ training_file, drop_params: true })
    await expect(submit({ training_file })).rejects.toMatchObject({ code: 'invalid_dataset' })
    expect(state.submissions).toHaveLength(1)
    // Who asked for it again gets the same copy.
    await submit({ training_file, drop_params: true })
    expect(state.submissions.map(job => job.trainingFile)).toEqual(['native-file-1', 'native-file-1'])
  })

  it.each([{}, { drop_params: true }])('is no dataset when nothing is left of it: %j', async fields => {
    const { state, upload, submit } = start()
    state.format = 'gemini'
    const text = toText(Array.from({ length: 12 }, () => ({ messages: [{ role: 'user', content: 'a' }] })))
    await expect(submit({ training_file: await upload(text), ...fields })).rejects.toMatchObject({
      status: 400,
      code: 'invalid_dataset',
      param: 'training_file',
    })
    expect(state.files).toEqual({})
  })
})

describe('the copies of a dataset', () => {
  it('are one for each format, and one for all jobs of it', async () => {
    const { context, state, upload, submit } = start()
    const training_file = await upload(`\uFEFF${PLAIN}`)
    for (const format of ['openai', 'gemini', 'openai', 'openai_with_mark', 'gemini'] as const) {
      state.format = format
      await submit({ training_file })
    }
    expect(state.submissions.map(job => job.trainingFile)).toEqual(
      [1, 2, 1, 3, 2].map(n => `native-file-${n}`),
    )
    expect(state.files['native-file-1']).toBe(PLAIN.replaceAll('\r', ''))
    expect(state.files['native-file-2']).toContain('"contents"')
    expect(state.files['native-file-3']).toBe(`\uFEFF${PLAIN.replaceAll('\r', '')}`)
    const copies = await copiesOf(context, await findFile(context, OWNER, training_file))
    expect(copies.map(({ format }) => format).toSorted()).toEqual(['gemini', 'openai', 'openai_with_mark'])
  })

  it('are made anew when the provider has lost one', async () => {
    const { state, upload, submit } = start()
    const training_file = await upload(PLAIN)
    await submit({ training_file })
    state.files = { other: '' }
    await submit({ training_file })
    expect(Object.keys(state.files)).toEqual(['other', 'native-file-2'])
    expect(state.submissions.at(-1)?.trainingFile).toBe('native-file-2')
  })

  it('may be as long as the provider takes them, as they are there', async () => {
    const { state, upload, submit } = start()
    const training_file = await upload(PLAIN)
    const bytes = new TextEncoder().encode(PLAIN.replaceAll('\r', '')).length
    state.maxFileBytes = bytes - 1
    await expect(submit({ training_file })).rejects.toMatchObject({
      status: 400,
      param: 'training_file',
      message: expect.stringContaining(String(bytes)),
    })
    state.maxFileBytes = bytes
    await submit({ training_file })
    state.maxFileBytes = bytes + 2
    state.format = 'openai_with_mark'
    await expect(submit({ training_file })).rejects.toMatchObject({ param: 'training_file' })
  })
})

describe('a dataset of which our bucket has nothing any more', () => {
  const lossy = toText([...Array.from({ length: 12 }, () => example()), LOSSY])
  const begin = async (text: string, format: DatasetFormat, fields: object = {}) => {
    const bench = start()
    const { state, upload, submit, platform } = bench
    state.format = format
    const training_file = await upload(text)
    await submit({ training_file, ...fields })
    platform.bucket.objects.clear()
    return { ...bench, training_file }
  }
  const last = (files: Record<string, string>) => Object.values(files).at(-1)

  it.each(['gemini', 'nova', 'claude'] as const)('is made of its copy in the form %s', async format => {
    const { state, submit, training_file, context } = await begin(PLAIN, format)
    for (const other of (['openai', 'gemini', 'nova', 'claude', 'prompt_completion'] as const).filter(
      each => each !== format,
    )) {
      state.format = other
      await submit({ training_file })
      const { convert } = FORMATS[other]
      const line = JSON.stringify(convert ? convert(example() as Example).line : example())
      expect(last(state.files)).toBe(`${line}\n`.repeat(12))
    }
    // It says the same, but is not the file.
    const file = await findFile(context, OWNER, training_file)
    await expect(readFile(context, file)).rejects.toMatchObject({ code: 'file_not_found' })
  })

  it('is counted by what its copy says', async () => {
    const { context, training_file } = await begin(PLAIN, 'gemini')
    const file = await findFile(context, OWNER, training_file)
    const counter = await tokenCounterFor('openai', 'gpt-4o')
    const count = await countFile(context, { ...file, examples: null }, counter, {
      window: null,
      budget: 1e6,
    })
    expect(count.examples).toBe(12)
  })

  it('is not made of prompts and completions, where a system message is part of the prompt', async () => {
    const { state, submit, training_file } = await begin(PLAIN, 'prompt_completion')
    state.format = 'openai'
    await expect(submit({ training_file })).rejects.toMatchObject({ status: 404, code: 'file_not_found' })
  })

  it('is made of a copy that lacks something only for who takes that, and it is told again', async () => {
    const { state, submit, warnings, training_file } = await begin(lossy, 'claude', { drop_params: true })
    state.format = 'openai'
    await expect(submit({ training_file })).rejects.toMatchObject({
      status: 400,
      code: 'invalid_dataset',
      param: 'training_file',
      message: expect.stringMatching(/line 13: parallel_tool_calls .*lost before.*'claude'/),
    })
    expect(Object.keys(state.files)).toHaveLength(1)
    const { id } = await submit({ training_file, drop_params: true })
    expect(await warnings(id)).toEqual([
      expect.stringMatching(/^Dropped: 'training_file', line 13: parallel_tool_calls .*lost before/),
    ])
    // A copy in OpenAI's form that was made so is no original either.
    state.format = 'nova'
    await expect(submit({ training_file })).rejects.toMatchObject({ code: 'invalid_dataset' })
  })

  it('is made of the copy that lacks nothing where there is one', async () => {
    const { state, submit, training_file, platform, upload } = await begin(lossy, 'claude', {
      drop_params: true,
    })
    state.format = 'openai'
    await upload(lossy).then(again => submit({ training_file: again }))
    platform.bucket.objects.clear()
    state.format = 'openai_with_mark'
    await submit({ training_file })
    expect(last(state.files)).toContain('parallel_tool_calls')
  })

  it('that a provider had before, in its own form, is read as that', async () => {
    const { state, submit, training_file, context } = await begin(PLAIN, 'openai')
    const of = (lines: unknown[]) => lines.map(line => `${JSON.stringify(line)}\n`).join('')
    const gemini = FORMATS.gemini.convert?.(example() as Example).line
    const adopt = async (text: string) => {
      state.files = { native: text }
      await FILES.update(context.platform.store, training_file, file => ({
        ...file,
        sha256: null,
        copies: [{ connection: 'main', account: 'main', format: null, native_id: 'native' }],
      }))
    }
    await adopt(of(Array.from({ length: 12 }, () => gemini)))
    await submit({ training_file })
    expect(last(state.files)).toBe(of(Array.from({ length: 12 }, () => example())))
    // Its own form is passed on as it is.
    state.format = 'gemini'
    await submit({ training_file })
    expect(last(state.files)).toBe(state.files.native)

    state.format = 'nova'
    await adopt(of([gemini, 7, { contents: 'no' }, { contents: [] }]))
    await expect(submit({ training_file })).rejects.toMatchObject({
      code: 'invalid_dataset',
      message: expect.stringMatching(/line 2: must be .*; line 3: contents .*; line 4: messages /),
    })
    await adopt(`${of([gemini])}not JSON, and secret\n`)
    const error = (await submit({ training_file }).catch((thrown: unknown) => thrown)) as Error
    expect(error).toMatchObject({ code: 'invalid_dataset', message: 'Invalid dataset: line 2 is not JSON.' })
  })
})

describe('a chat', () => {
  const chat = { model: 'base', messages: [{ role: 'user', content: 'hi' }] }

  it.each([
    [{}, false],
    [{ drop_params: false }, false],
    [{ drop_params: true }, true],
  ])('with %j tells the provider to drop: %s, and keeps the field', async (fields, dropParams) => {
    const { context, state } = start()
    await complete(context, OWNER, JSON.stringify({ ...chat, ...fields, seed: 7 }))
    expect(state.chats[0]).toMatchObject({ dropParams, body: { ...chat, seed: 7 } })
    expect(JSON.parse(state.chats[0]?.text ?? '')).toEqual({ ...chat, seed: 7 })
  })

  it('refuses drop_params that is no boolean', async () => {
    const { context } = start()
    await expect(
      complete(context, OWNER, JSON.stringify({ ...chat, drop_params: 'yes' })),
    ).rejects.toMatchObject({ status: 400, param: 'drop_params' })
  })

  it.each([
    [[], 'messages', 'invalid_value'],
    [[{ content: 'x' }], 'messages[0].role', 'missing_required_parameter'],
    [[{ role: 'user' }, { role: 7 }], 'messages[1].role', 'invalid_value'],
    [[null], 'messages[0]', 'invalid_value'],
    ['hi', 'messages', 'invalid_value'],
    [undefined, 'messages', 'missing_required_parameter'],
  ])('with the messages %j is refused at %s', async (messages, param, code) => {
    const { context, state } = start()
    for (const fields of [{}, { drop_params: true }]) {
      await expect(
        complete(context, OWNER, JSON.stringify({ ...chat, messages, ...fields })),
      ).rejects.toMatchObject({ status: 400, param, code })
    }
    expect(state.chats).toEqual([])
  })
})
