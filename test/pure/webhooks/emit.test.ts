import { describe, expect, it } from 'vitest'
import { updateEndpoint } from '../../../shared/webhooks/index.ts'
import { OWNER, startHooks } from './support.ts'

describe('what happens', () => {
  it('is written down before anything is sent, and put in the queue', async () => {
    const bench = startHooks()
    const { id } = await bench.endpoint()
    await bench.happen()
    expect(bench.sent).toEqual([])
    const delivery = await bench.delivery()
    expect(delivery).toMatchObject({ owner: OWNER, target: { endpoint: id }, status: 'pending', tries: 0 })
    expect(bench.platform.tasks).toEqual([{ type: 'webhook', id: delivery.id, delaySeconds: 0 }])
    expect(JSON.parse(delivery.body)).toEqual({
      id: expect.stringMatching(/^evt_\w{22}$/),
      object: 'event',
      type: 'fine_tuning.job.succeeded',
      created_at: 1_790_000_000,
      data: { id: 'ftjob-1' },
    })
  })

  it('makes one delivery however often, and whenever, it is told', async () => {
    const bench = startHooks()
    await bench.endpoint()
    await bench.happen()
    const before = await bench.delivery()
    bench.pass(3600)
    await Promise.all([bench.happen(), bench.happen()])
    expect(await bench.delivery()).toEqual(before)
    expect(bench.platform.tasks).toHaveLength(1)
  })

  it('is one delivery for each endpoint, each with an id of its own', async () => {
    const bench = startHooks()
    await bench.endpoint('a.example.com')
    await bench.endpoint('b.example.com')
    await bench.happen()
    const deliveries = await bench.deliveries()
    expect(new Set(deliveries.map(({ id }) => id)).size).toBe(2)
    expect(new Set(deliveries.map(({ body }) => body)).size).toBe(1)
  })

  it('is told to those only who want to know', async () => {
    const bench = startHooks()
    const { id } = await bench.endpoint()
    await bench.endpoint('other.example.com', ['fine_tuning.job.failed'])
    const disabled = await bench.endpoint('off.example.com')
    await updateEndpoint(bench.context, OWNER, disabled.id, { status: 'disabled' })
    await bench.happen()
    expect((await bench.delivery()).target).toEqual({ endpoint: id })
  })
})
