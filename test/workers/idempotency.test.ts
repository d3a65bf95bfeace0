/** Repeated requests in workerd, with its real D1 and R2. */
import OpenAI from 'openai'
import { beforeEach, describe, expect, it } from 'vitest'
import { datasetFile, sandbox, startGateway } from '../support/gateway.ts'

beforeEach(async () => {
  await sandbox.reset()
})

describe('requests under an Idempotency-Key', () => {
  it('of the official client make one of each, though they come at once', async () => {
    const gateway = startGateway()
    const apiKey = await gateway.key()
    const answers: { status: number; replayed: string | null }[] = []
    const client = new OpenAI({
      apiKey,
      baseURL: 'http://gateway.test/v1',
      maxRetries: 5,
      async fetch(input, init) {
        const answer = await gateway.fetch(String(input).replace('http://gateway.test', ''), init ?? {})
        answers.push({ status: answer.status, replayed: answer.headers.get('idempotent-replayed') })
        return answer
      },
    })
    const under = (key: string) => ({ headers: { 'idempotency-key': key } })
    const upload = () => client.files.create({ file: datasetFile(), purpose: 'fine-tune' }, under('upload-1'))
    const files = await Promise.all([upload(), upload(), upload()])
    expect(new Set(files.map(({ id }) => id)).size).toBe(1)
    expect((await client.files.list()).data).toHaveLength(1)

    const create = () =>
      client.fineTuning.jobs.create(
        { model: 'gpt-4.1-mini', training_file: files[0]?.id ?? '' },
        under('job-1'),
      )
    const jobs = await Promise.all([create(), create(), create()])
    expect(new Set(jobs.map(({ id }) => id)).size).toBe(1)
    expect((await client.fineTuning.jobs.list()).data).toHaveLength(1)
    const created = (await sandbox.requests()).filter(
      ({ method, path }) => method === 'POST' && path.endsWith('/fine_tuning/jobs'),
    )
    expect(created).toHaveLength(1)
    expect(answers.map(({ status }) => status)).toContain(409)
    expect(answers.filter(({ replayed }) => replayed === 'true').length).toBeGreaterThanOrEqual(4)
  })
})
