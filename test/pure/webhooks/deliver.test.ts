import { describe, expect, it } from 'vitest'
import { signatureHeaders } from '../../../sandbox/webhooks.ts'
import type { Context } from '../../../shared/context.ts'
import { TransportError } from '../../../shared/transport.ts'
import {
  deleteEndpoint,
  deliver,
  deliverDue,
  getEndpoint,
  redeliver,
  removeOldDeliveries,
  rotateEndpointSecret,
  updateEndpoint,
} from '../../../shared/webhooks/index.ts'
import { DELIVERIES, ENDPOINTS } from '../../../shared/webhooks/records.ts'
import type { Sent } from '../support/context.ts'
import { type HookBench, hostOf, KEY, OWNER, startHooks } from './support.ts'

const answer = (status: number, headers: Record<string, string> = {}) =>
  new Response(null, { status, headers })

/** What a receiver that holds this secret finds in the header. */
const signatureOf = (secret: string, { headers, body }: Sent) =>
  signatureHeaders(secret, body, {
    id: headers['webhook-id'] ?? '',
    at: Number(headers['webhook-timestamp']),
  })['webhook-signature']

const signatures = ({ headers }: Sent) => (headers['webhook-signature'] ?? '').split(' ')

/** A delivery that is due, and its endpoint. */
const prepared = async (bench: HookBench) => {
  const endpoint = await bench.endpoint()
  await bench.happen()
  return { endpoint, id: (await bench.delivery()).id }
}

describe('a message', () => {
  it('is a signed POST of the event, with the id of its delivery', async () => {
    const bench = startHooks()
    const { endpoint, id } = await prepared(bench)
    await deliver(bench.context, id)
    const [sent] = bench.sent
    const { body } = await bench.delivery()
    expect(sent).toMatchObject({
      method: 'POST',
      url: 'https://hooks.example.com/in',
      body,
      headers: {
        'content-type': 'application/json',
        'webhook-id': id,
        'webhook-timestamp': String(bench.platform.clock.time / 1000),
      },
    })
    expect(sent && signatures(sent)).toEqual([sent && signatureOf(endpoint.secret, sent)])
  })

  it('is sent again under the same id, to the byte, with a new time', async () => {
    const bench = startHooks((_, index) => answer(index === 0 ? 500 : 200))
    const { endpoint, id } = await prepared(bench)
    await deliver(bench.context, id)
    bench.pass(6)
    await deliver(bench.context, id)
    const [first, second] = bench.sent
    expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id'])
    expect(second?.body).toBe(first?.body)
    expect(second?.headers['webhook-timestamp']).not.toBe(first?.headers['webhook-timestamp'])
    expect(second && signatures(second)).toEqual([second && signatureOf(endpoint.secret, second)])
    expect((await bench.delivery()).attempts.map(({ error }) => error)).toEqual(['status', null])
  })

  it.each([
    [200, 'succeeded', null],
    [204, 'succeeded', null],
    [299, 'succeeded', null],
    [400, 'pending', 'status'],
    [404, 'pending', 'status'],
    [410, 'failed', 'gone'],
    [429, 'pending', 'status'],
    [503, 'pending', 'status'],
  ] as const)('that is answered with %d is %s', async (status, state, error) => {
    const bench = startHooks(() => answer(status))
    const { id } = await prepared(bench)
    await deliver(bench.context, id)
    expect(await bench.delivery()).toMatchObject({
      status: state,
      attempts: [{ status_code: status, error, duration_ms: 0 }],
    })
  })

  it.each([301, 302, 303, 307, 308])('is not sent where a %d leads', async status => {
    const bench = startHooks(() => answer(status, { location: 'https://elsewhere.example.com/' }))
    const { id } = await prepared(bench)
    await deliver(bench.context, id)
    expect(bench.sent.map(hostOf)).toEqual(['hooks.example.com'])
    expect(await bench.delivery()).toMatchObject({ status: 'pending', attempts: [{ error: 'redirected' }] })
  })

  it('is heard though the answer never ends', async () => {
    let cancelled = false
    const endless = new ReadableStream({
      pull: controller => controller.enqueue(new Uint8Array(1024)),
      cancel: () => {
        cancelled = true
      },
    })
    const bench = startHooks(() => new Response(endless))
    const { id } = await prepared(bench)
    await deliver(bench.context, id)
    expect(await bench.delivery()).toMatchObject({ status: 'succeeded' })
    expect(cancelled).toBe(true)
  })

  it('leaves nothing of the answer in the log', async () => {
    const bench = startHooks(() => new Response('a secret of the receiver', { status: 500 }))
    const { id } = await prepared(bench)
    await deliver(bench.context, id)
    expect(JSON.stringify(await bench.delivery())).not.toContain('a secret')
  })
})

describe('retries', () => {
  it('follow the schedule to its end, then the delivery is given up and its endpoint flagged', async () => {
    const bench = startHooks(() => answer(500))
    const { endpoint, id } = await prepared(bench)
    const waited: number[] = []
    for (;;) {
      await deliver(bench.context, id)
      const { status, due_at } = await bench.delivery()
      if (status !== 'pending') break
      const wait = due_at - bench.platform.clock.time / 1000
      waited.push(wait)
      // One second early nothing is sent.
      bench.pass(wait - 1)
      const before = bench.sent.length
      await deliver(bench.context, id)
      expect(bench.sent).toHaveLength(before)
      bench.pass(1)
    }
    const schedule = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
    expect(waited).toHaveLength(schedule.length)
    for (const [index, seconds] of schedule.entries()) {
      expect(waited[index]).toBeGreaterThanOrEqual(seconds)
      expect(waited[index]).toBeLessThanOrEqual(Math.ceil(seconds * 1.2))
    }
    expect(bench.sent).toHaveLength(10)
    const delivery = await bench.delivery()
    expect(delivery.status).toBe('failed')
    expect(delivery.attempts).toHaveLength(10)
    const now = bench.platform.clock.time / 1000
    const flagged = await getEndpoint(bench.context, OWNER, endpoint.id)
    expect(flagged.tunegate).toMatchObject({ status: 'enabled', failing_since: now })
  })

  it('that are soon go through the queue, those far off wait for the schedule', async () => {
    const bench = startHooks(() => answer(500))
    const { id } = await prepared(bench)
    for (const _ of [1, 2, 3]) {
      await deliver(bench.context, id)
      bench.pass(2500)
    }
    const [first, soon, later, ...others] = bench.platform.tasks
    expect(first?.delaySeconds).toBe(0)
    expect(soon?.delaySeconds).toBeGreaterThanOrEqual(5)
    expect(later?.delaySeconds).toBeGreaterThanOrEqual(300)
    expect(others).toEqual([])
  })

  it('wait as long as the receiver asks', async () => {
    const bench = startHooks(() => answer(503, { 'retry-after': '1200' }))
    const { id } = await prepared(bench)
    await deliver(bench.context, id)
    expect((await bench.delivery()).due_at).toBe(bench.platform.clock.time / 1000 + 1200)
  })

  it('end with a success, which takes the flag away', async () => {
    let status = 500
    const bench = startHooks(() => answer(status))
    const { endpoint, id } = await prepared(bench)
    await ENDPOINTS.update(bench.platform.store, endpoint.id, record => ({ ...record, failing_since: 1 }))
    await deliver(bench.context, id)
    const flag = async () => (await getEndpoint(bench.context, OWNER, endpoint.id)).tunegate.failing_since
    expect(await flag()).toBe(1)
    status = 200
    bench.pass(6)
    await deliver(bench.context, id)
    expect(await flag()).toBe(null)
  })
})

describe('an endpoint', () => {
  it('that answers 410 is told nothing more, until its owner enables it', async () => {
    const bench = startHooks((_, index) => answer(index === 0 ? 410 : 200))
    const { endpoint, id } = await prepared(bench)
    await bench.happen('ftjob-2')
    await deliver(bench.context, id)
    expect((await getEndpoint(bench.context, OWNER, endpoint.id)).tunegate).toMatchObject({
      status: 'disabled',
      disabled_reason: 'gone',
    })
    await deliverDue(bench.context, 50)
    await bench.happen('ftjob-3')
    const deliveries = await bench.deliveries()
    expect(deliveries.map(({ attempts }) => attempts.map(({ error }) => error))).toEqual([
      ['gone'],
      ['endpoint_disabled'],
    ])
    expect(deliveries.map(({ status }) => status)).toEqual(['failed', 'failed'])
    expect(bench.sent).toHaveLength(1)
    await updateEndpoint(bench.context, OWNER, endpoint.id, { status: 'enabled' })
    await redeliver(bench.context, endpoint.id, id)
    await deliverDue(bench.context, 50)
    expect(bench.sent.map(({ headers }) => headers['webhook-id'])).toEqual([id, id])
  })

  it('that is deleted gets nothing of what was to come', async () => {
    const bench = startHooks()
    const { endpoint, id } = await prepared(bench)
    await deleteEndpoint(bench.context, OWNER, endpoint.id)
    await deliver(bench.context, id)
    expect(await bench.delivery()).toMatchObject({
      status: 'failed',
      attempts: [{ error: 'endpoint_deleted' }],
    })
    expect(bench.sent).toEqual([])
  })

  it.each([
    'https://10.0.0.1/in',
    'https://[::1]/in',
    'http://hooks.example.com/in',
    'https://db.internal/in',
  ])('whose URL has become %s is not called', async url => {
    const bench = startHooks()
    const { endpoint, id } = await prepared(bench)
    await ENDPOINTS.update(bench.platform.store, endpoint.id, record => ({ ...record, url }))
    await deliver(bench.context, id)
    expect(await bench.delivery()).toMatchObject({
      status: 'failed',
      attempts: [{ error: 'host_forbidden' }],
    })
    expect(bench.sent).toEqual([])
  })
})

describe('a secret that is changed', () => {
  it.each([
    ['at once signs alone', false, 0, ['new']],
    ['with the old kept signs together with it', true, 0, ['new', 'old']],
    ['with the old kept signs together with it for all of a day', true, 86_399, ['new', 'old']],
    ['with the old kept signs alone after a day', true, 86_400, ['new']],
  ])('%s', async (_what, keepsOld, later, signing) => {
    const bench = startHooks()
    const { endpoint, id } = await prepared(bench)
    const rotated = await rotateEndpointSecret(bench.context, OWNER, endpoint.id, keepsOld)
    expect(rotated.signing_secret).not.toBe(endpoint.secret)
    bench.pass(later)
    await deliver(bench.context, id)
    const [sent] = bench.sent
    if (!sent) throw new Error('nothing was sent')
    const secrets: Record<string, string> = { new: rotated.signing_secret, old: endpoint.secret }
    expect(signatures(sent)).toEqual(signing.map(name => signatureOf(secrets[name] ?? '', sent)))
  })

  it('often signs with the newest three', async () => {
    const bench = startHooks()
    const { endpoint, id } = await prepared(bench)
    for (const _ of [1, 2, 3, 4]) await rotateEndpointSecret(bench.context, OWNER, endpoint.id, true)
    await deliver(bench.context, id)
    expect(bench.sent.map(sent => signatures(sent).length)).toEqual([3])
  })

  it('cannot be read under another key: nothing is sent until the right one is back', async () => {
    const bench = startHooks()
    const { id } = await prepared(bench)
    for (const wrong of ['w'.repeat(32), undefined]) {
      bench.platform.variables.TUNEGATE_ENCRYPTION_KEY = wrong
      await deliver(bench.context, id)
      bench.pass(400)
    }
    expect(bench.sent).toEqual([])
    bench.platform.variables.TUNEGATE_ENCRYPTION_KEY = KEY
    await deliver(bench.context, id)
    const { status, attempts } = await bench.delivery()
    expect(status).toBe('succeeded')
    expect(attempts.map(({ error }) => error)).toEqual(['secret_unreadable', 'secret_unreadable', null])
  })
})

describe('workers at once', () => {
  it('send each attempt once', async () => {
    const bench = startHooks(async () => {
      await new Promise(resolve => setTimeout(resolve, 5))
      return answer(204)
    })
    await bench.endpoint()
    for (const job of ['1', '2', '3', '4']) await bench.happen(`ftjob-${job}`)
    const { context } = bench
    await Promise.all([deliverDue(context, 50), deliverDue(context, 50), deliverDue(context, 50)])
    expect(bench.sent).toHaveLength(4)
    expect(new Set(bench.sent.map(({ headers }) => headers['webhook-id'])).size).toBe(4)
  })

  it('do not take over before the time of the first is up', async () => {
    const bench = startHooks()
    const { id } = await prepared(bench)
    // It has sent, and dies before it can say so.
    let writes = 0
    bench.platform.store.beforeUpdate = updated => {
      if (updated === id && ++writes === 2) throw new Error('the worker has died')
    }
    await expect(deliver(bench.context, id)).rejects.toThrow('died')
    bench.platform.store.beforeUpdate = () => undefined
    expect(await bench.delivery()).toMatchObject({ status: 'pending', attempts: [{ error: 'interrupted' }] })
    bench.pass(29)
    await deliverDue(bench.context, 50)
    expect(bench.sent).toHaveLength(1)
    bench.pass(1)
    await deliverDue(bench.context, 50)
    expect(bench.sent.map(({ headers }) => headers['webhook-id'])).toEqual([id, id])
    const { status, attempts } = await bench.delivery()
    expect(status).toBe('succeeded')
    expect(attempts.map(({ error }) => error)).toEqual(['interrupted', null])
  })

  it.each([
    ['a success', 200, 'succeeded'],
    ['a failure', 500, 'pending'],
  ])('who come too late only tell of %s', async (_what, status, state) => {
    const gate = Promise.withResolvers<void>()
    const bench = startHooks(async (_, index) => {
      if (index === 0) await gate.promise
      return answer(index === 0 ? status : 500)
    })
    const { id } = await prepared(bench)
    const late = deliver(bench.context, id)
    while (bench.sent.length === 0) await new Promise(resolve => setTimeout(resolve, 1))
    bench.pass(30)
    await deliver(bench.context, id)
    const between = await bench.delivery()
    gate.resolve()
    await late
    const after = await bench.delivery()
    expect(after.status).toBe(state)
    expect(after.attempts).toEqual(between.attempts)
    if (state === 'pending') expect(after).toEqual(between)
  })
})

describe('the schedule', () => {
  /** Some hosts give no answer. */
  const withSilent = (context: Context, silent: string): Context => ({
    ...context,
    transport: {
      ...context.transport,
      notify: async request => {
        if (request.url.hostname === silent) throw new TransportError('timeout')
        return context.transport.notify(request)
      },
    },
  })

  it('lets no receiver that does not answer keep the others waiting', async () => {
    const bench = startHooks()
    await bench.endpoint('silent.example.com')
    for (let job = 0; job < 30; job++) await bench.happen(`ftjob-${job}`)
    await bench.endpoint('good.example.com')
    await bench.happen('ftjob-last')
    const context = withSilent(bench.context, 'silent.example.com')
    await deliverDue(context, 10)
    expect(bench.sent.map(hostOf)).toEqual(['good.example.com'])
    const rest = (await bench.deliveries()).filter(({ status }) => status === 'pending')
    expect(rest.filter(({ tries }) => tries === 1)).toHaveLength(1)
    // The others have lost nothing, and are not looked at for a while.
    const putOff = rest.filter(({ tries }) => tries === 0)
    expect(putOff).toHaveLength(30)
    const now = bench.platform.clock.time / 1000
    for (const { due_at, attempts } of putOff) expect([due_at, attempts]).toEqual([now + 60, []])
  })

  it('attempts no more than its limit, in turn with all receivers', async () => {
    const bench = startHooks()
    await bench.endpoint('a.example.com')
    await bench.endpoint('b.example.com')
    for (let job = 0; job < 10; job++) await bench.happen(`ftjob-${job}`)
    await deliverDue(bench.context, 6)
    expect(bench.sent.map(hostOf).filter(host => host === 'a.example.com')).toHaveLength(3)
    expect(bench.sent).toHaveLength(6)
  })

  it('does not stop at a delivery that fails in itself', async () => {
    const bench = startHooks()
    await bench.endpoint('a.example.com')
    await bench.endpoint('b.example.com')
    await bench.happen()
    const [first] = await bench.deliveries()
    bench.platform.store.beforeUpdate = id => {
      if (id === first?.id) throw new Error('the store has failed')
    }
    await expect(deliverDue(bench.context, 50)).rejects.toThrow('the store has failed')
    expect(bench.sent).toHaveLength(1)
  })

  it('removes deliveries a month after their end', async () => {
    const bench = startHooks()
    const { id } = await prepared(bench)
    await deliver(bench.context, id)
    bench.pass(30 * 86_400 - 1)
    await removeOldDeliveries(bench.context, 50)
    expect(await DELIVERIES.get(bench.platform.store, id)).toBeDefined()
    bench.pass(1)
    await removeOldDeliveries(bench.context, 50)
    expect(await DELIVERIES.get(bench.platform.store, id)).toBeUndefined()
  })

  it('does not remove one that has been started anew though a list still shows its end', async () => {
    const bench = startHooks()
    const { endpoint, id } = await prepared(bench)
    await deliver(bench.context, id)
    bench.pass(30 * 86_400)
    const { store } = bench.platform
    const { list } = store
    const query = {
      kind: 'webhook_delivery',
      slot: 'b',
      partition: 'expired',
      order: 'asc',
      limit: 9,
    } as const
    const shown = await list(query)
    expect(shown).toHaveLength(1)
    await redeliver(bench.context, endpoint.id, id)
    store.list = async () => shown
    await removeOldDeliveries(bench.context, 50)
    expect((await DELIVERIES.get(store, id))?.value.status).toBe('pending')
  })
})

describe('redelivering', () => {
  it('sends again what was given up or heard, under the same id', async () => {
    const bench = startHooks()
    const { endpoint, id } = await prepared(bench)
    await deliver(bench.context, id)
    expect(await redeliver(bench.context, endpoint.id, id)).toMatchObject({ id, status: 'pending' })
    expect(bench.platform.tasks.at(-1)).toMatchObject({ type: 'webhook', id })
    await deliver(bench.context, id)
    expect(bench.sent.map(({ headers }) => headers['webhook-id'])).toEqual([id, id])
    expect((await bench.delivery()).attempts).toHaveLength(2)
  })

  it('leaves one alone that is just being attempted', async () => {
    const gate = Promise.withResolvers<void>()
    const bench = startHooks(async () => {
      await gate.promise
      return answer(204)
    })
    const { endpoint, id } = await prepared(bench)
    const first = deliver(bench.context, id)
    while (bench.sent.length === 0) await new Promise(resolve => setTimeout(resolve, 1))
    await redeliver(bench.context, endpoint.id, id)
    await deliver(bench.context, id)
    expect(bench.sent).toHaveLength(1)
    gate.resolve()
    await first
    expect((await bench.delivery()).status).toBe('succeeded')
  })

  it("knows nothing of other endpoints' deliveries", async () => {
    const bench = startHooks()
    const { id } = await prepared(bench)
    const other = await bench.endpoint('other.example.com', ['fine_tuning.job.failed'])
    await expect(redeliver(bench.context, other.id, id)).rejects.toMatchObject({ code: 'delivery_not_found' })
    await expect(redeliver(bench.context, other.id, 'whd_none')).rejects.toMatchObject({ status: 404 })
  })
})
