/** Whose is what: every route against every kind of caller. */
import { beforeAll, describe, expect, it } from 'vitest'
import { itIsJudged, type Owner, type RawAnswer, type RawOptions, useBench } from './support/bench.ts'
import { datasetFile, isOver, jobWhen, trained, uploaded } from './support/data.ts'

/** Slow enough for one job to run as long as the tests do. */
const bench = useBench({ stepMs: 100 })

/** What the routes of the table are about. */
interface Things {
  file: string
  /** Deleting is tried on a file of its own. */
  spareFile: string
  /** Runs for as long as the tests do. */
  job: string
  done: string
  result: string
  model: string
  spareModel: string
  checkpoint: string
  /** Pending. */
  upload: string
  part: string
  spareUpload: string
}
const UNKNOWN: Things = {
  file: 'file-none',
  spareFile: 'file-none',
  job: 'ftjob-none',
  done: 'ftjob-none',
  result: 'file-none',
  model: 'ft:gpt-4.1-mini-2025-04-14:sandbox::none',
  spareModel: 'ft:gpt-4.1-mini-2025-04-14:sandbox::none',
  checkpoint: 'ft:gpt-4.1-mini-2025-04-14:sandbox::none:ckpt-step-10',
  upload: 'upload_none',
  part: 'part_none',
  spareUpload: 'upload_none',
}

let mine: Owner
let things: Things

const make = async (): Promise<Things> => {
  const { client } = mine
  await bench.set({ stepMs: 0 })
  const done = await trained(client)
  const spare = await trained(client)
  await bench.set({ stepMs: 100 })
  const [file, spareFile] = [await uploaded(client), await uploaded(client)]
  const job = await client.fineTuning.jobs.create({
    model: 'gpt-4.1-mini',
    training_file: file.id,
    hyperparameters: { n_epochs: 50, batch_size: 1 },
  })
  await jobWhen(client, job.id, ({ status }) => status === 'running')
  const params = { filename: 'x', purpose: 'batch', bytes: 1, mime_type: 'text/plain' } as const
  const [upload, spareUpload] = [await client.uploads.create(params), await client.uploads.create(params)]
  const part = await client.uploads.parts.create(upload.id, { data: new File(['x'], 'x') })
  return {
    file: file.id,
    spareFile: spareFile.id,
    job: job.id,
    done: done.id,
    result: done.result_files[0] ?? '',
    model: done.fine_tuned_model,
    spareModel: spare.fine_tuned_model,
    checkpoint: `${done.fine_tuned_model}:ckpt-step-50`,
    upload: upload.id,
    part: part.id,
    spareUpload: spareUpload.id,
  }
}

beforeAll(async () => {
  mine = await bench.owner('mine')
  things = await make()
})

const chat = (model: string) => ({ model, messages: [{ role: 'user', content: 'hello' }] })
const form = () => {
  const data = new FormData()
  data.set('purpose', 'fine-tune')
  data.set('file', datasetFile())
  return data
}

const partForm = () => {
  const data = new FormData()
  data.set('data', new File(['y'], 'y'))
  return data
}

type Route = [name: string, path: (things: Things) => string, options?: (things: Things) => RawOptions]

/** Routes that name one thing: for the owner they work, for everyone else the thing is not there. */
const NAMING: Route[] = [
  ['GET /v1/files/{id}', t => `/v1/files/${t.file}`],
  ['GET /v1/files/{id}/content', t => `/v1/files/${t.file}/content`],
  ['GET /v1/files/{id} of a result', t => `/v1/files/${t.result}`],
  ['GET /v1/files/{id}/content of a result', t => `/v1/files/${t.result}/content`],
  ['GET /v1/fine_tuning/jobs/{id}', t => `/v1/fine_tuning/jobs/${t.job}`],
  ['GET /v1/fine_tuning/jobs/{id}/events', t => `/v1/fine_tuning/jobs/${t.job}/events`],
  ['GET /v1/fine_tuning/jobs/{id}/checkpoints', t => `/v1/fine_tuning/jobs/${t.job}/checkpoints`],
  ['GET /v1/fine_tuning/jobs/{id}/deployment', t => `/v1/fine_tuning/jobs/${t.done}/deployment`],
  [
    'DELETE /v1/fine_tuning/jobs/{id}/deployment',
    t => `/v1/fine_tuning/jobs/${t.done}/deployment`,
    () => ({ method: 'DELETE' }),
  ],
  [
    'POST /v1/fine_tuning/jobs/{id}/pause',
    t => `/v1/fine_tuning/jobs/${t.job}/pause`,
    () => ({ method: 'POST' }),
  ],
  [
    'POST /v1/fine_tuning/jobs/{id}/resume',
    t => `/v1/fine_tuning/jobs/${t.job}/resume`,
    () => ({ method: 'POST' }),
  ],
  ['GET /v1/uploads/{id}', t => `/v1/uploads/${t.upload}`],
  ['POST /v1/uploads/{id}/parts', t => `/v1/uploads/${t.upload}/parts`, () => ({ body: partForm() })],
  [
    'POST /v1/fine_tuning/jobs, training_file',
    () => '/v1/fine_tuning/jobs',
    t => ({ body: { model: 'gpt-4.1', training_file: t.file } }),
  ],
  ['POST /v1/chat/completions, a tuned model', () => '/v1/chat/completions', t => ({ body: chat(t.model) })],
  [
    'POST /v1/chat/completions, openai/ft:…',
    () => '/v1/chat/completions',
    t => ({ body: chat(`openai/${t.model}`) }),
  ],
  [
    'POST /v1/chat/completions, a checkpoint',
    () => '/v1/chat/completions',
    t => ({ body: chat(t.checkpoint) }),
  ],
  [
    'POST /v1/chat/completions, openai/ a checkpoint',
    () => '/v1/chat/completions',
    t => ({ body: chat(`openai/${t.checkpoint}`) }),
  ],
  [
    'POST /v1/chat/completions, streamed',
    () => '/v1/chat/completions',
    t => ({ body: { ...chat(t.model), stream: true } }),
  ],
  ['GET /v1/models/{model}', t => `/v1/models/${t.model}`],
  ['GET /v1/models/{model}, encoded', t => `/v1/models/${encodeURIComponent(t.model)}`],
]
/** These end the thing they name: the owner's try comes last. */
const ENDING: Route[] = [
  [
    'POST /v1/fine_tuning/jobs/{id}/cancel',
    t => `/v1/fine_tuning/jobs/${t.job}/cancel`,
    () => ({ method: 'POST' }),
  ],
  [
    'POST /v1/uploads/{id}/complete',
    t => `/v1/uploads/${t.upload}/complete`,
    t => ({ body: { part_ids: [t.part] } }),
  ],
  ['POST /v1/uploads/{id}/cancel', t => `/v1/uploads/${t.spareUpload}/cancel`, () => ({ method: 'POST' })],
  ['DELETE /v1/files/{id}', t => `/v1/files/${t.spareFile}`, () => ({ method: 'DELETE' })],
  ['DELETE /v1/models/{model}', t => `/v1/models/${t.spareModel}`, () => ({ method: 'DELETE' })],
]
/** Routes that name nothing: everyone with a key may call them, and sees their own. */
const OPEN: Route[] = [
  ['POST /v1/files', () => '/v1/files', () => ({ body: form() })],
  ['GET /v1/files', () => '/v1/files'],
  [
    'POST /v1/uploads',
    () => '/v1/uploads',
    () => ({ body: { filename: 'x', purpose: 'batch', bytes: 1, mime_type: 'text/plain' } }),
  ],
  ['GET /v1/fine_tuning/jobs', () => '/v1/fine_tuning/jobs'],
  ['GET /v1/models', () => '/v1/models'],
  ['POST /v1/chat/completions', () => '/v1/chat/completions', () => ({ body: chat('gpt-4.1-mini') })],
]
const TUNED_IN_JOB: Route = [
  'POST /v1/fine_tuning/jobs, a tuned model as the base',
  () => '/v1/fine_tuning/jobs',
  t => ({ body: { model: t.model, training_file: t.file } }),
]

const call = ([, path, options]: Route, of: Things, key: string | null) =>
  bench.raw(path(of), { ...options?.(of), key })

const revokedKey = async () => {
  const { json } = await bench.raw('/v1/keys', {
    key: bench.stack.adminKey,
    body: { name: 'gone', owner: 'mine' },
  })
  const { id, key } = json as { id: string; key: string }
  await bench.raw(`/v1/keys/${id}`, { key: bench.stack.adminKey, method: 'DELETE' })
  return key
}

const STRANGERS: [string, () => Promise<string | null> | string | null, string][] = [
  ['no key', () => null, 'missing_api_key'],
  ['a wrong key', () => `tg-${'x'.repeat(43)}`, 'invalid_api_key'],
  ['a revoked key of the owner', revokedKey, 'invalid_api_key'],
  ['the admin key', () => bench.stack.adminKey, 'invalid_api_key'],
  ["the provider's key", () => bench.stack.sandbox.apiKey, 'invalid_api_key'],
]

describe.each([...NAMING, ...ENDING, ...OPEN, TUNED_IN_JOB])('%s', (...route) => {
  it.each(STRANGERS)('is closed to %s', async (_who, key, code) => {
    const before = bench.stored()
    const stranger = await key()
    const kept = bench.stored()
    const sent = bench.watch()
    const answer = await call(route, things, stranger)
    expect(answer).toMatchObject({ status: 401, error: { code, type: 'authentication_error' } })
    expect(answer.headers.get('www-authenticate')).toBe('Bearer')
    expect(sent()).toEqual([])
    expect(bench.stored()).toEqual(kept)
    expect(kept.records).toMatchObject({ file: before.records.file, job: before.records.job })
  })
})

/** An answer as the caller sees it, without what names the thing or the request. */
const told = ({ status, text }: RawAnswer, of: Things) => {
  const ids = Object.values(of).toSorted((a, b) => b.length - a.length)
  return { status, text: ids.reduce((masked, id) => masked.replaceAll(id, '…'), text) }
}

describe.each([...NAMING, ...ENDING])('%s', (...route) => {
  it('is to another owner as if it never was', async () => {
    const { key } = await bench.owner()
    const unknown = await call(route, UNKNOWN, key)
    const before = bench.stored()
    const sent = bench.watch()
    const theirs = await call(route, things, key)
    expect(unknown.status).toBe(404)
    expect(told(theirs, things)).toEqual(told(unknown, UNKNOWN))
    expect(bench.stored()).toEqual(before)
    expect(sent()).toEqual([])
  })
})

describe(TUNED_IN_JOB[0], () => {
  it('is closed to another owner, even with a file of their own', async () => {
    const { key, client } = await bench.owner()
    const { id: file } = await uploaded(client)
    const jobs = bench.stored().records.job
    for (const model of [things.model, things.checkpoint]) {
      const answer = await call(TUNED_IN_JOB, { ...things, file, model }, key)
      expect(answer).toMatchObject({ status: 404, error: { code: 'model_not_found', param: 'model' } })
    }
    expect(bench.stored().records.job).toBe(jobs)
  })
})

describe.each(OPEN)('%s', (...route) => {
  it("works for another owner, and shows nothing of someone else's", async () => {
    const { key } = await bench.owner()
    const answer = await call(route, things, key)
    expect(answer.status).toBe(200)
    for (const id of Object.values(things)) expect(answer.text).not.toContain(id)
  })
})

describe('an owner with a second key', () => {
  it.each([...NAMING, ...OPEN, ...ENDING])('%s works as with the first', async (...route) => {
    const { key } = await bench.owner('mine')
    const answer = await call(route, things, key)
    expect(answer.status).toBe(200)
  })

  it('sees the same lists', async () => {
    const { key } = await bench.owner('mine')
    for (const path of ['/v1/files', '/v1/models']) {
      const [first, second] = [await bench.raw(path, { key: mine.key }), await bench.raw(path, { key })]
      expect(second.json).toEqual(first.json)
    }
    await jobWhen(mine.client, things.done, isOver)
  })
})

describe("another owner's ids as cursors", () => {
  it.each(['/v1/files', '/v1/fine_tuning/jobs'])('show nothing of %s', async path => {
    const { key } = await bench.owner()
    const { json } = await bench.raw(`${path}?after=${path === '/v1/files' ? things.file : things.job}`, {
      key,
    })
    expect(json).toMatchObject({ data: [], has_more: false })
  })
})

itIsJudged(bench)
