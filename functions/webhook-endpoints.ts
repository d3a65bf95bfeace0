/** `/v1/webhook_endpoints`, `/v1/webhook_event_types`, `/v1/webhook_secret`: who is told of what. */
import { Hono } from 'hono'
import {
  deliveriesQuery,
  WEBHOOK_EVENT_TYPES,
  webhookEndpointRequest,
  webhookEndpointsQuery,
  webhookEndpointUpdate,
  webhookRotation,
  webhookTest,
} from '../shared/openai/index.ts'
import {
  createEndpoint,
  deleteEndpoint,
  getEndpoint,
  getOwnerSecret,
  listDeliveries,
  listEndpoints,
  redeliver,
  rotateEndpointSecret,
  rotateOwnerSecret,
  testEndpoint,
  updateEndpoint,
} from '../shared/webhooks/index.ts'
import { type AppEnv, json, jsonOnly, query } from './http.ts'
import { once } from './idempotency.ts'

export const webhookEndpoints = new Hono<AppEnv>()
  .post('/', jsonOnly, json(webhookEndpointRequest), once({ isSecret: true }), async c =>
    c.json(await createEndpoint(c.var.context, c.var.owner, c.req.valid('json'))),
  )
  .get('/', query(webhookEndpointsQuery), async c =>
    c.json(await listEndpoints(c.var.context, c.var.owner, c.req.valid('query'))),
  )
  .get('/:id', async c => c.json(await getEndpoint(c.var.context, c.var.owner, c.req.param('id'))))
  .post('/:id', jsonOnly, json(webhookEndpointUpdate), async c =>
    c.json(await updateEndpoint(c.var.context, c.var.owner, c.req.param('id'), c.req.valid('json'))),
  )
  .delete('/:id', async c => {
    const id = c.req.param('id')
    await deleteEndpoint(c.var.context, c.var.owner, id)
    return c.json({ id, object: 'webhook_endpoint.deleted' as const, deleted: true })
  })
  .post('/:id/rotate_secret', jsonOnly, json(webhookRotation), once({ isSecret: true }), async c => {
    const { keep_old_secret_active_for_24_hours: keepsOld } = c.req.valid('json')
    return c.json(await rotateEndpointSecret(c.var.context, c.var.owner, c.req.param('id'), keepsOld))
  })
  .post('/:id/test', jsonOnly, json(webhookTest), once(), async c => {
    const { event_type } = c.req.valid('json')
    return c.json(await testEndpoint(c.var.context, c.var.owner, c.req.param('id'), event_type))
  })
  .get('/:id/deliveries', query(deliveriesQuery), async c => {
    const { context, owner } = c.var
    const { id } = await getEndpoint(context, owner, c.req.param('id'))
    return c.json(await listDeliveries(context, id, c.req.valid('query')))
  })
  .post('/:id/deliveries/:delivery/redeliver', once(), async c => {
    const { context, owner } = c.var
    const { id } = await getEndpoint(context, owner, c.req.param('id'))
    return c.json(await redeliver(context, id, c.req.param('delivery')))
  })

export const webhookEventTypes = new Hono<AppEnv>().get('/', c =>
  c.json({ object: 'list' as const, data: WEBHOOK_EVENT_TYPES }),
)

export const webhookSecret = new Hono<AppEnv>()
  .get('/', async c => c.json(await getOwnerSecret(c.var.context, c.var.owner)))
  .post('/rotate', jsonOnly, json(webhookRotation), once({ isSecret: true }), async c => {
    const { keep_old_secret_active_for_24_hours: keepsOld } = c.req.valid('json')
    return c.json(await rotateOwnerSecret(c.var.context, c.var.owner, keepsOld))
  })
