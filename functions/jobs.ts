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
  getDeployment,
  getJob,
  jobCheckpoints,
  jobEvents,
  listJobs,
  type MetadataFilter,
  submitJob,
  toJobObject,
} from '../shared/training/index.ts'
import { listDeliveries, redeliver } from '../shared/webhooks/index.ts'
import { type AppEnv, json, jsonOnly, query } from './http.ts'

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
  .post('/', jsonOnly, json(jobRequest), async c => {
    const { context, owner } = c.var
    const request = c.req.valid('json')
    // A client that leaves must not leave a job half made: the work goes on without it.
    const work = submitJob(context.detached(), owner, request)
    context.platform.defer(work.catch(() => undefined))
    return c.json(toJobObject(await work))
  })
  .get('/', query(jobsQuery), async c => {
    const { context, owner } = c.var
    const { items, hasMore } = await listJobs(context, owner, c.req.valid('query'), metadataFilter(c.req.url))
    return c.json(list(items.map(toJobObject), hasMore))
  })
  .get('/:id', async c => c.json(toJobObject(await getJob(c.var.context, c.var.owner, c.req.param('id')))))
  .get('/:id/events', query(eventsQuery), async c =>
    c.json(await jobEvents(c.var.context, c.var.owner, c.req.param('id'), c.req.valid('query'))),
  )
  .get('/:id/checkpoints', query(checkpointsQuery), async c =>
    c.json(await jobCheckpoints(c.var.context, c.var.owner, c.req.param('id'), c.req.valid('query'))),
  )

routes
  .post('/:id/deploy', async c => c.json(await deployJob(c.var.context, c.var.owner, c.req.param('id'))))
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
  .post('/:id/deliveries/:delivery/redeliver', async c => {
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
