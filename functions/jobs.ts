/** `/v1/fine_tuning/jobs` */
import { Hono } from 'hono'
import {
  checkpointsQuery,
  deliveriesQuery,
  eventsQuery,
  jobRequest,
  jobsQuery,
  list,
} from '../shared/openai/index.ts'
import {
  type Command,
  commandJob,
  deleteDeployment,
  deployJob,
  findJob,
  followEvents,
  getDeployment,
  getJob,
  jobCheckpoints,
  jobEvents,
  jobMetrics,
  listJobs,
  listNativeJobs,
  type MetadataFilter,
  submitJob,
  toEventStream,
  toJobObject,
} from '../shared/training/index.ts'
import { listDeliveries, redeliver } from '../shared/webhooks/index.ts'
import { type AppEnv, json, jsonOnly, query } from './http.ts'
import { once } from './idempotency.ts'

/** RFC 7240, 4.1. */
const isAsync = (headers: Headers): boolean =>
  /(^|,)\s*respond-async\s*(,|;|$)/i.test(headers.get('prefer') ?? '')

const accepts = (headers: Headers): boolean => /\btext\/event-stream\b/i.test(headers.get('accept') ?? '')

/** What lies between must neither keep, join nor hold back events. */
const EVENT_STREAM = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
}

const COMMANDS: readonly Command[] = ['cancel', 'pause', 'resume']

/** `?metadata[k]=v&…` or `?metadata=null`. */
const metadataFilter = (url: string): MetadataFilter => {
  const { searchParams } = new URL(url)
  if (searchParams.get('metadata') === 'null') return null
  const pairs = [...searchParams].flatMap(([name, value]) => {
    const key = /^metadata\[(.+)\]$/.exec(name)?.[1]
    return key === undefined ? [] : [[key, value] as const]
  })
  return pairs.length > 0 ? Object.fromEntries(pairs) : undefined
}

const routes = new Hono<AppEnv>()
  .post('/', jsonOnly, json(jobRequest), once(), async c => {
    const { context, owner } = c.var
    const request = c.req.valid('json')
    // A client that leaves must not leave a job half made: the work goes on without it.
    const work = submitJob(context.detached(), owner, request, {
      isAsync: isAsync(c.req.raw.headers),
    })
    context.platform.defer(work.catch(() => undefined))
    return c.json(toJobObject(await work))
  })
  .get('/', query(jobsQuery), async c => {
    const { context, owner } = c.var
    const page = c.req.valid('query')
    const filter = metadataFilter(c.req.url)
    const provider = page.provider ?? page.custom_llm_provider
    if (provider !== undefined) {
      const native = await listNativeJobs(context, owner, { ...page, provider }, filter)
      return c.json(list(native.items, native.hasMore))
    }
    const { items, hasMore } = await listJobs(context, owner, page, filter)
    return c.json(list(items.map(toJobObject), hasMore))
  })
  .get('/:id', async c => c.json(toJobObject(await getJob(c.var.context, c.var.owner, c.req.param('id')))))
  .get('/:id/events', query(eventsQuery), async c => {
    const { context, owner } = c.var
    const { stream, ...page } = c.req.valid('query')
    const wantsStream = stream === undefined ? accepts(c.req.raw.headers) : stream === 'true'
    if (!wantsStream) return c.json(await jobEvents(context, owner, c.req.param('id'), page))
    const after = c.req.header('last-event-id') || page.after
    const feed = await followEvents(context, owner, c.req.param('id'), after)
    // The one answer that keeps a browser's EventSource from coming back.
    if (!feed) return c.body(null, 204)
    return c.body(toEventStream(feed), 200, EVENT_STREAM)
  })
  .get('/:id/metrics', async c => {
    const { points, sources } = await jobMetrics(c.var.context, c.var.owner, c.req.param('id'))
    return c.json({ ...list(points, false), tunegate: { sources } })
  })
  .get('/:id/checkpoints', query(checkpointsQuery), async c =>
    c.json(await jobCheckpoints(c.var.context, c.var.owner, c.req.param('id'), c.req.valid('query'))),
  )

routes
  .post('/:id/deploy', once(), async c =>
    c.json(await deployJob(c.var.context, c.var.owner, c.req.param('id'))),
  )
  .get('/:id/deployment', async c =>
    c.json(await getDeployment(c.var.context, c.var.owner, c.req.param('id'))),
  )
  .delete('/:id/deployment', async c => {
    const id = c.req.param('id')
    await deleteDeployment(c.var.context, c.var.owner, id)
    return c.json({ id, object: 'fine_tuning.job.deployment' as const, deleted: true })
  })

/** The log of a job's own `webhook_url`. */
routes
  .get('/:id/deliveries', query(deliveriesQuery), async c => {
    const { context, owner } = c.var
    const { id } = await findJob(context, owner, c.req.param('id'))
    return c.json(await listDeliveries(context, id, c.req.valid('query')))
  })
  .post('/:id/deliveries/:delivery/redeliver', once(), async c => {
    const { context, owner } = c.var
    const { id } = await findJob(context, owner, c.req.param('id'))
    return c.json(await redeliver(context, id, c.req.param('delivery')))
  })

for (const command of COMMANDS) {
  routes.post(`/:id/${command}`, async c =>
    c.json(toJobObject(await commandJob(c.var.context, c.var.owner, c.req.param('id'), command))),
  )
}

export const jobs = routes
