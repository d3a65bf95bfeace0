/** Webhooks over real HTTP: the gateway tells a receiver, which verifies with the official client. */
import OpenAI from 'openai'
import { beforeAll, describe, expect, it } from 'vitest'
import { itIsJudged, type Owner, refusal, until, useBench } from './support/bench.ts'
import { trained, uploaded } from './support/data.ts'
import { ENDS, unwrapped, useHooks } from './support/hooks.ts'

const bench = useBench({ tellEnds: true })
const { receiver, heard, endpoint, deliveries, deliveriesOf } = useHooks(bench)

let owner: Owner
beforeAll(async () => {
  owner = await bench.owner()
})

describe('an endpoint', () => {
  it('is made, read, changed, listed and deleted by the official client', async () => {
    const { client, id, signing_secret, ...made } = await endpoint(['fine_tuning.job.succeeded'])
    expect(made).toMatchObject({
      object: 'webhook_endpoint',
      event_types: ['fine_tuning.job.succeeded'],
      signing_secret_hint: `whsec_…${signing_secret.slice(-5)}`,
    })
    const read = await client.webhooks.retrieve(id)
    expect(read).not.toHaveProperty('signing_secret')
    expect(read).toMatchObject({ id, url: made.url })
    const changed = await client.webhooks.update(id, { name: 'new', event_types: [...ENDS] })
    expect(changed).toMatchObject({ id, name: 'new', event_types: ENDS, url: made.url })
    const other = await client.webhooks.create({ name: 'b', url: made.url, event_types: [...ENDS] })
    const listed: string[] = []
    for await (const each of client.webhooks.list({ limit: 1 })) listed.push(each.id)
    expect(listed).toEqual([other.id, id])
    expect(await client.webhooks.delete(id)).toEqual({
      id,
      object: 'webhook_endpoint.deleted',
      deleted: true,
    })
    expect(await refusal(client.webhooks.retrieve(id))).toMatchObject({
      status: 404,
      code: 'webhook_endpoint_not_found',
    })
    const own = ['job.attempt_failed', 'job.overdue', 'budget.alert', 'model.retiring']
    expect((await client.webhooks.eventTypes.list()).data).toEqual([
      ...ENDS,
      ...own.map(type => `tunegate.${type}`),
    ])
  })

  it.each([
    ['event_types[0]', { event_types: ['batch.completed'] }],
    ['event_types', { event_types: [] }],
    ['url', { url: 'ftp://hooks.example.com' }],
    ['url', { url: 'http://127.0.0.1:1/' }],
    ['url', { url: 'https://192.168.1.1/hook' }],
    ['name', { name: '' }],
    ['secret', { secret: 'mine' }],
  ])('with a wrong %s is refused', async (param, fields) => {
    const { key } = await bench.owner()
    const body = { name: 'n', url: 'https://hooks.example.com/', event_types: [...ENDS], ...fields }
    const { status, error } = await bench.raw('/v1/webhook_endpoints', { key, body })
    expect({ status, param: error.param }).toEqual({ status: 400, param })
    expect((await bench.raw('/v1/webhook_endpoints', { key })).json).toMatchObject({ data: [] })
  })

  it('is not there for anyone else', async () => {
    const { id, key, client, name } = await endpoint()
    const job = await trained(client)
    await heard(name)
    const [delivery] = await deliveriesOf({ key, id })
    const stranger = await bench.owner()
    const paths: [string, string, object?][] = [
      ['GET', ''],
      ['POST', '', { name: 'x' }],
      ['DELETE', ''],
      ['POST', '/rotate_secret', {}],
      ['POST', '/test', { event_type: ENDS[0] }],
      ['GET', '/deliveries'],
      ['POST', `/deliveries/${delivery?.id}/redeliver`],
    ]
    for (const [method, path, body] of paths) {
      const call = { method, ...(body && { body }) }
      const theirs = await bench.raw(`/v1/webhook_endpoints/${id}${path}`, { ...call, key: stranger.key })
      expect([path, theirs.status, theirs.error.code]).toEqual([path, 404, 'webhook_endpoint_not_found'])
      const none = await bench.raw(`/v1/webhook_endpoints/${id}${path}`, { ...call, key: null })
      expect([path, none.status]).toEqual([path, 401])
    }
    for (const path of ['', '/deliveries']) {
      const theirs = await bench.raw(`/v1/fine_tuning/jobs/${job.id}${path}`, { key: stranger.key })
      expect(theirs.error.code).toBe('job_not_found')
    }
    expect((await bench.raw('/v1/webhook_endpoints', { key: stranger.key })).json).toMatchObject({ data: [] })
    expect(await client.webhooks.retrieve(id)).toMatchObject({ name })
  })

  it('keeps its secret where no one can read it', async () => {
    const { secret, key } = await endpoint()
    const { json } = await bench.raw('/v1/webhook_secret', { key })
    for (const shown of [secret, (json as { signing_secret: string }).signing_secret]) {
      expect(await bench.holding(shown.slice(6))).toEqual([])
      expect(bench.stack.output()).not.toContain(shown.slice(6))
    }
  })

  it('is tested with a sample that verifies', async () => {
    const { client, id, name, secret } = await endpoint()
    expect(await client.webhooks.test(id, { event_type: 'fine_tuning.job.failed' })).toEqual({
      object: 'webhook_endpoint.test',
      event_type: 'fine_tuning.job.failed',
      status_code: 204,
      success: true,
      webhook_endpoint_id: id,
    })
    const [sample] = receiver().received(name)
    expect(sample && (await unwrapped(sample, secret))).toMatchObject({ type: 'fine_tuning.job.failed' })
  })
})

describe('a job’s end', () => {
  it('is told so that the official client verifies and types it', async () => {
    const { client, key, id, name, secret } = await endpoint()
    const job = await trained(client)
    const [message] = await heard(name)
    if (!message) throw new Error('nothing came')
    const event = await unwrapped(message, secret)
    expect(event).toEqual({
      id: expect.stringMatching(/^evt_/),
      object: 'event',
      type: 'fine_tuning.job.succeeded',
      created_at: job.finished_at,
      data: { id: job.id },
    })
    if (event.type !== 'fine_tuning.job.succeeded') throw new Error('another event')
    expect(await client.fineTuning.jobs.retrieve(event.data.id)).toMatchObject({ status: 'succeeded' })
    const other = await owner.client.webhooks.create({
      name: 'o',
      url: receiver().url('o'),
      event_types: [...ENDS],
    })
    await expect(unwrapped(message, other.signing_secret)).rejects.toThrow('signature')
    await expect(unwrapped({ ...message, body: `${message.body} ` }, secret)).rejects.toThrow('signature')
    const [delivery, ...others] = await deliveriesOf({ key, id })
    expect(others).toEqual([])
    expect(delivery).toMatchObject({
      id: message.headers['webhook-id'],
      object: 'webhook_endpoint.delivery',
      webhook_endpoint_id: id,
      event_id: event.id,
      event_type: event.type,
      status: 'succeeded',
      next_attempt_at: null,
      attempts: [{ status_code: 204, error: null }],
    })
    expect(receiver().received(name)).toHaveLength(1)
  })

  it('is told though no one asks for the job: its provider has told the gateway', async () => {
    const { client, name, secret } = await endpoint()
    const { id: training_file } = await uploaded(client)
    const { id } = await client.fineTuning.jobs.create({ model: 'gpt-4.1-mini', training_file })
    const [message] = await heard(name)
    expect(message && (await unwrapped(message, secret))).toMatchObject({ data: { id } })
  })

  it('is told of a cancelled one, to those who asked for that', async () => {
    const { client, name, secret } = await endpoint(['fine_tuning.job.cancelled'])
    const deaf = receiver().url('deaf')
    await client.webhooks.create({ name: 'deaf', url: deaf, event_types: ['fine_tuning.job.succeeded'] })
    await bench.set({ stepMs: 100 })
    const { id: training_file } = await uploaded(client)
    const { id } = await client.fineTuning.jobs.create({ model: 'gpt-4.1-mini', training_file })
    await client.fineTuning.jobs.cancel(id)
    const [message] = await heard(name)
    expect(message && (await unwrapped(message, secret))).toMatchObject({
      type: 'fine_tuning.job.cancelled',
      data: { id },
    })
    expect(receiver().received('deaf')).toEqual([])
  })

  it('goes to a URL of the job’s own, signed with the owner’s secret', async () => {
    const { client, key } = await bench.owner()
    const webhook_url = receiver().url('own')
    const job = await trained(client, { webhook_url } as object)
    expect(job).toMatchObject({ tunegate: { webhook_url } })
    const [message] = await heard('own')
    const { json } = await bench.raw('/v1/webhook_secret', { key })
    const { signing_secret } = json as { signing_secret: string }
    expect(message && (await unwrapped(message, signing_secret))).toMatchObject({ data: { id: job.id } })
    const path = `/v1/fine_tuning/jobs/${job.id}`
    const [delivery] = await deliveries(key, path)
    expect(delivery).toMatchObject({ status: 'succeeded', fine_tuning_job_id: job.id })
    const again = await bench.raw(`${path}/deliveries/${delivery?.id}/redeliver`, { key, method: 'POST' })
    expect(again.json).toMatchObject({ id: delivery?.id, status: 'pending' })
    const messages = await heard('own', 2)
    expect(messages.map(({ headers }) => headers['webhook-id'])).toEqual([delivery?.id, delivery?.id])
    const rotated = await bench.raw('/v1/webhook_secret/rotate', { key, body: {} })
    expect(rotated.json).not.toMatchObject({ signing_secret })
  })

  it.each(['https://10.1.1.1/', 'http://127.0.0.1:9/', 'gopher://x', ''])(
    'is not promised to %s',
    async webhook_url => {
      const { id: training_file } = await uploaded(owner.client)
      const sent = bench.watch()
      const body = { model: 'gpt-4.1-mini', training_file, webhook_url }
      const { status, error } = await bench.raw('/v1/fine_tuning/jobs', { key: owner.key, body })
      expect({ status, param: error.param }).toEqual({ status: 400, param: 'webhook_url' })
      expect(sent()).toEqual([])
    },
  )
})

describe('a delivery', () => {
  it('is tried again until it is heard, under one id', async () => {
    const { client, name, secret, key, id } = await endpoint()
    receiver().answer(name, { status: 500 })
    await trained(client)
    const messages = await heard(name, 2)
    expect(new Set(messages.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
    for (const message of messages) await unwrapped(message, secret)
    const [delivery] = await until(
      () => deliveriesOf({ key, id }),
      ([first]) => first?.status === 'succeeded',
    )
    expect(delivery?.attempts.map(({ status_code }) => status_code)).toEqual([500, 204])
  })

  it('is not sent where a redirect leads', async () => {
    const { client, name, key, id } = await endpoint()
    receiver().answer(name, { status: 307, headers: { location: receiver().url('elsewhere') } })
    await trained(client)
    await heard(name)
    const [delivery] = await until(
      () => deliveriesOf({ key, id }),
      ([first]) => first?.attempts[0]?.error !== 'interrupted',
    )
    expect(delivery).toMatchObject({ status: 'pending', attempts: [{ error: 'redirected' }] })
    expect(receiver().received('elsewhere')).toEqual([])
  })

  it('that is answered with 410 disables its endpoint', async () => {
    const { client, name, id } = await endpoint()
    receiver().answer(name, { status: 410 })
    await trained(client)
    await heard(name)
    await until(
      () => client.webhooks.retrieve(id),
      read => JSON.stringify(read).includes('"disabled_reason":"gone"'),
    )
    await trained(client)
    await bench.stack.tick()
    expect(receiver().received(name)).toHaveLength(1)
  })

  it('is made once per attempt by two ticks at once', async () => {
    const { client, name } = await endpoint()
    for (const _ of [1, 2]) await trained(client)
    await Promise.all([1, 2, 3].map(() => bench.stack.tick()))
    const messages = await heard(name, 2)
    expect(messages).toHaveLength(2)
    expect(new Set(messages.map(({ headers }) => headers['webhook-id'])).size).toBe(2)
  })
})

describe('a secret', () => {
  it('that is changed with the old one kept lets receivers hold either', async () => {
    const { client, id, name, secret } = await endpoint()
    const { signing_secret } = await client.webhooks.rotateSecret(id, {
      keep_old_secret_active_for_24_hours: true,
    })
    await trained(client)
    const [message] = await heard(name)
    if (!message) throw new Error('nothing came')
    for (const held of [secret, signing_secret]) expect(await unwrapped(message, held)).toBeDefined()
  })

  it('that is changed at once makes the old one worthless', async () => {
    const { client, id, name, secret } = await endpoint()
    const { signing_secret } = await client.webhooks.rotateSecret(id)
    await trained(client)
    const [message] = await heard(name)
    if (!message) throw new Error('nothing came')
    expect(await unwrapped(message, signing_secret)).toBeDefined()
    await expect(unwrapped(message, secret)).rejects.toThrow(OpenAI.InvalidWebhookSignatureError)
  })
})

itIsJudged(bench)
