import { describe, expect, it } from 'vitest'
import {
  createEndpoint,
  getOwnerSecret,
  listEndpoints,
  rotateOwnerSecret,
  testEndpoint,
  updateEndpoint,
} from '../../../shared/webhooks/index.ts'
import { ENDPOINTS, OWNER_SECRETS } from '../../../shared/webhooks/records.ts'
import { OWNER, SUCCEEDED, startHooks } from './support.ts'

const request = (url = 'https://hooks.example.com/in') => ({ name: 'n', url, event_types: [SUCCEEDED] })

describe('an endpoint', () => {
  it('gets a secret of 32 bytes, which is kept sealed', async () => {
    const bench = startHooks()
    const { id, signing_secret, signing_secret_hint } = await createEndpoint(bench.context, OWNER, request())
    expect(signing_secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
    expect(signing_secret_hint).toBe(`whsec_…${signing_secret.slice(-5)}`)
    const stored = JSON.stringify(await ENDPOINTS.get(bench.platform.store, id))
    expect(stored).not.toContain(signing_secret.slice(6))
  })

  it.each([
    ['http://hooks.example.com/in'],
    ['https://localhost/in'],
    ['https://127.0.0.1/in'],
    ['https://10.1.2.3/in'],
    ['https://169.254.169.254/latest'],
    ['https://[fd00::1]/in'],
    ['https://[::ffff:10.0.0.1]/in'],
    ['https://2130706433/in'],
    ['https://gateway.internal/in'],
    ['https://user:pass@hooks.example.com/in'],
  ])('is not made for %s, nor moved there', async url => {
    const bench = startHooks()
    const refusal = { status: 400, code: 'host_forbidden', param: 'url' }
    await expect(createEndpoint(bench.context, OWNER, request(url))).rejects.toMatchObject(refusal)
    expect((await listEndpoints(bench.context, OWNER, { limit: 9 })).data).toEqual([])
    const { id } = await bench.endpoint()
    await expect(updateEndpoint(bench.context, OWNER, id, { url })).rejects.toMatchObject(refusal)
  })

  it.each([
    ['no key', undefined],
    ['too short a key', 'k'.repeat(31)],
  ])('is not made with %s to keep its secret under', async (_what, key) => {
    const bench = startHooks()
    bench.platform.variables.TUNEGATE_ENCRYPTION_KEY = key
    await expect(createEndpoint(bench.context, OWNER, request())).rejects.toMatchObject({
      status: 500,
      code: 'deployment_unconfigured',
      message: expect.stringContaining('TUNEGATE_ENCRYPTION_KEY'),
    })
  })

  it('is one of fifty at most', async () => {
    const bench = startHooks()
    for (let count = 0; count < 50; count++) await bench.endpoint()
    await expect(bench.endpoint()).rejects.toMatchObject({ status: 400 })
  })

  it('is as new when it moves, and keeps its time when nothing changes', async () => {
    const bench = startHooks()
    const { id } = await bench.endpoint()
    const disabled = await updateEndpoint(bench.context, OWNER, id, { status: 'disabled' })
    expect(disabled.tunegate).toMatchObject({ status: 'disabled', disabled_reason: 'by_owner' })
    bench.pass(10)
    expect(await updateEndpoint(bench.context, OWNER, id, { name: disabled.name })).toEqual(disabled)
    const moved = await updateEndpoint(bench.context, OWNER, id, { url: 'https://new.example.com/' })
    expect(moved).toMatchObject({ tunegate: { status: 'enabled' }, updated_at: disabled.updated_at + 10 })
  })

  it.each([204, 404, 410])('that answers a test with %d stays as it is', async status => {
    const bench = startHooks(() => new Response(null, { status }))
    const { id } = await bench.endpoint()
    const before = await ENDPOINTS.get(bench.platform.store, id)
    expect(await testEndpoint(bench.context, OWNER, id, SUCCEEDED)).toEqual({
      object: 'webhook_endpoint.test',
      event_type: SUCCEEDED,
      status_code: status,
      success: true,
      webhook_endpoint_id: id,
    })
    expect(await ENDPOINTS.get(bench.platform.store, id)).toEqual(before)
  })

  it('that gives no answer to a test is an error', async () => {
    const bench = startHooks(() => Promise.reject(new Error('refused')))
    const { id } = await bench.endpoint()
    await expect(testEndpoint(bench.context, OWNER, id, SUCCEEDED)).rejects.toMatchObject({
      status: 502,
      code: 'webhook_undelivered',
    })
  })
})

describe("an owner's own secret", () => {
  it('is made once, whoever asks first, and changed on request', async () => {
    const { context } = startHooks()
    const [one, two] = await Promise.all([getOwnerSecret(context, OWNER), getOwnerSecret(context, OWNER)])
    expect(two).toEqual(one)
    const rotated = await rotateOwnerSecret(context, OWNER, true)
    expect(rotated.signing_secret).not.toBe(one.signing_secret)
    expect(await getOwnerSecret(context, OWNER)).toEqual(rotated)
    expect((await getOwnerSecret(context, 'owner-2')).signing_secret).not.toBe(rotated.signing_secret)
  })

  it('that was sealed under another key says so, and can be changed', async () => {
    const { context, platform } = startHooks()
    await getOwnerSecret(context, OWNER)
    platform.variables.TUNEGATE_ENCRYPTION_KEY = 'z'.repeat(32)
    await expect(getOwnerSecret(context, OWNER)).rejects.toMatchObject({ code: 'deployment_unconfigured' })
    const rotated = await rotateOwnerSecret(context, OWNER, true)
    expect(await getOwnerSecret(context, OWNER)).toEqual(rotated)
  })

  it('opens for its owner only', async () => {
    const { context, platform } = startHooks()
    await getOwnerSecret(context, OWNER)
    const mine = await OWNER_SECRETS.get(platform.store, OWNER)
    if (!mine) throw new Error('there is none')
    await OWNER_SECRETS.create(platform.store, { ...mine.value, owner: 'thief' })
    await expect(getOwnerSecret(context, 'thief')).rejects.toMatchObject({ status: 500 })
  })
})
