/** The gateway is killed in the middle of things: nothing is lost, nothing is half there. */
import { request as httpRequest } from 'node:http'
import { describe, expect, it } from 'vitest'
import { isOnLambda, itIsJudged, until, useBench } from './support/bench.ts'
import { ask, chatLines, form, isOver, jobWhen, LESSON, toJsonl, trained, uploaded } from './support/data.ts'
import { unwrapped, useHooks } from './support/hooks.ts'

/** Who has died holds what he was at for up to a minute of that time. */
const bench = useBench({ speed: 5 })
const { receiver, heard, endpoint, deliveriesOf } = useHooks(bench)

const crash = async () => {
  await bench.stack.killGateway()
  await bench.stack.startGateway()
}

describe('after SIGKILL', () => {
  it('a running job is still there, and goes on to its end', async () => {
    await bench.set({ stepMs: 50 })
    const { client } = await bench.owner()
    const { id: training_file } = await uploaded(client)
    const { id } = await client.fineTuning.jobs.create({ model: 'gpt-4.1-mini', training_file })
    await jobWhen(client, id, ({ status }) => status === 'running')
    const before = (await client.fineTuning.jobs.listEvents(id, { limit: 1000 })).data
    await crash()
    expect((await client.fineTuning.jobs.list()).data.map(job => job.id)).toEqual([id])
    await bench.set({ stepMs: 0 })
    const job = await jobWhen(client, id, isOver)
    expect(job.status).toBe('succeeded')
    expect(await ask(client, job.fine_tuned_model ?? '')).toBe(LESSON.answer)
    const after = (await client.fineTuning.jobs.listEvents(id, { limit: 1000 })).data
    expect(after.slice(-before.length)).toEqual(before)
    expect(new Set(after.map(event => event.id)).size).toBe(after.length)
  })

  it('a job that was just being created is taken in, and there is one of it', async () => {
    const { client, key } = await bench.owner()
    const { id: training_file } = await uploaded(client)
    const jobs = async () => (await bench.state()).jobs.items
    const before = await jobs()
    bench.stack.sandbox.fault({ method: 'POST', path: '/fine_tuning/jobs$', kind: 'slow', delayMs: 500 })
    const sent = bench.watch()
    const call = client.fineTuning.jobs.create({ model: 'gpt-4.1-mini', training_file })
    const broken = expect(call).rejects.toThrow()
    await until(sent, requests =>
      requests.some(({ path, method }) => method === 'POST' && path.endsWith('/jobs')),
    )
    await bench.stack.killGateway()
    await broken
    // The provider acts on what it has received, whether anyone waits for its answer or not.
    await until(jobs, items => items.length > before.length)
    await bench.stack.startGateway()
    const again = await bench.client(key)
    const [kept] = (await again.fineTuning.jobs.list()).data
    const job = await jobWhen(again, kept?.id ?? '', isOver)
    expect(job.status).toBe('succeeded')
    expect((await again.fineTuning.jobs.list()).data).toHaveLength(1)
    expect((await jobs()).filter(({ metadata }) => metadata.tunegate_job === job.id)).toHaveLength(1)
    expect(await jobs()).toHaveLength(before.length + 1)
  })

  it('a creation under an Idempotency-Key is repeated by the client until it has its job, of which there is one', {
    timeout: 240_000,
  }, async () => {
    const { client } = await bench.owner()
    const { id: training_file } = await uploaded(client)
    const jobs = async () => (await bench.state()).jobs.items
    const before = await jobs()
    bench.stack.sandbox.fault({ method: 'POST', path: '/fine_tuning/jobs$', kind: 'slow', delayMs: 500 })
    const sent = bench.watch()
    const creation = client.fineTuning.jobs.create(
      { model: 'gpt-4.1-mini', training_file },
      { headers: { 'idempotency-key': 'crash-1' }, maxRetries: 100 },
    )
    await until(sent, requests =>
      requests.some(({ path, method }) => method === 'POST' && path.endsWith('/jobs')),
    )
    await bench.stack.killGateway()
    await until(jobs, items => items.length > before.length)
    await bench.stack.startGateway()
    // The client is told to come again, and does.
    const { id } = await creation
    expect((await jobWhen(client, id, isOver)).status).toBe('succeeded')
    expect((await client.fineTuning.jobs.list()).data.map(job => job.id)).toEqual([id])
    expect(await jobs()).toHaveLength(before.length + 1)
  })

  it.skipIf(isOnLambda)('nothing is there of a file whose upload was half way', async () => {
    const { client, key } = await bench.owner()
    await client.files.list()
    const before = bench.stored()
    // More than one part of the bucket, so that something has been written by then.
    const { body, headers } = form([
      { name: 'purpose', value: 'fine-tune' },
      { name: 'file', value: toJsonl(chatLines(200_000)), filename: 'half.jsonl' },
    ])
    const request = httpRequest(`${bench.stack.url}/v1/files`, {
      method: 'POST',
      headers: { ...headers, authorization: `Bearer ${key}`, 'content-length': body.byteLength },
    })
    const broken = new Promise(resolve => request.once('error', resolve))
    request.write(body.subarray(0, Math.floor(body.byteLength * 0.75)))
    await until(bench.stored, ({ openUploads }) => openUploads > before.openUploads, 50)
    await crash()
    await broken
    expect((await client.files.list()).data).toEqual([])
    expect(bench.stored()).toMatchObject({ records: before.records, objects: before.objects })
    expect((await uploaded(client)).status).toBe('processed')
  })

  it('keys, files and models are as they were', async () => {
    const { client } = await bench.owner()
    const file = await uploaded(client)
    const { id } = await client.fineTuning.jobs.create({ model: 'gpt-4.1-mini', training_file: file.id })
    const job = await jobWhen(client, id, isOver)
    await crash()
    expect((await client.files.list({ purpose: 'fine-tune' })).data).toEqual([file])
    expect(await client.fineTuning.jobs.retrieve(id)).toEqual(job)
    expect(await ask(client, job.fine_tuned_model ?? '')).toBe(LESSON.answer)
  })
})

describe('a delivery', () => {
  it('that was under way is sent again under the same id', async () => {
    const { client, name, secret, key, id } = await endpoint()
    // Long enough to be killed while it waits for the answer.
    receiver().answer(name, { status: 204, delayMs: 60_000 })
    await trained(client)
    void bench.stack.tick().catch(() => undefined)
    await until(
      () => receiver().received(name),
      ({ length }) => length === 1,
    )
    await bench.stack.killGateway()
    await bench.stack.startGateway()
    const [interrupted] = await deliveriesOf({ key, id })
    expect(interrupted).toMatchObject({ status: 'pending', attempts: [{ error: 'interrupted' }] })
    // Not before the lease of the dead is over.
    const messages = await heard(name, 2)
    expect(messages.map(({ headers }) => headers['webhook-id'])).toEqual([interrupted?.id, interrupted?.id])
    for (const message of messages) await unwrapped(message, secret)
  })

  it('is made though the gateway dies as soon as the job has ended', async () => {
    const { client, name, secret, key } = await endpoint()
    const { id: training_file } = await uploaded(client)
    const { id } = await client.fineTuning.jobs.create({ model: 'gpt-4.1-mini', training_file })
    const job = await jobWhen(client, id, isOver)
    await bench.stack.killGateway()
    const told = await bench.records('webhook_delivery')
    const kept = told.filter(({ body }) => String(body).includes(id))
    expect(kept).toHaveLength(1)
    await bench.stack.startGateway()
    const messages = await heard(name)
    for (const message of messages) {
      expect(message.headers['webhook-id']).toBe(kept[0]?.id)
      expect(await unwrapped(message, secret)).toMatchObject({ data: { id: job.id } })
    }
    expect((await bench.raw('/v1/webhook_endpoints', { key })).status).toBe(200)
  })
})

describe('a client that leaves in the middle of an upload', () => {
  it.skipIf(isOnLambda)('leaves nothing behind', async () => {
    const { client, key } = await bench.owner()
    await client.files.list()
    const before = bench.stored()
    const { body, headers } = form([
      { name: 'purpose', value: 'batch' },
      { name: 'file', value: Buffer.alloc(24 * 2 ** 20), filename: 'half.bin' },
    ])
    const request = httpRequest(`${bench.stack.url}/v1/files`, {
      method: 'POST',
      headers: { ...headers, authorization: `Bearer ${key}`, 'content-length': body.byteLength },
    })
    const broken = new Promise(resolve => request.once('error', resolve))
    request.write(body.subarray(0, Math.floor(body.byteLength * 0.75)))
    await until(bench.stored, ({ openUploads }) => openUploads > before.openUploads, 50)
    request.destroy(new Error('left'))
    await broken
    expect((await client.files.list()).data).toEqual([])
    expect(bench.stored()).toMatchObject({ records: before.records, objects: before.objects })
  })
})

itIsJudged(bench)
