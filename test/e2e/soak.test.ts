/**
 * Many jobs while the gateway is killed again and again and the provider fails in every way it knows: none is lost, none is trained
 * twice, all come to an end, and every end is told. `SOAK_JOBS`, `SOAK_KILLS` and `SOAK_SEED` make it longer, or another.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type OpenAI from 'openai'
import { expect, it } from 'vitest'
import type { Fault } from '../../sandbox/faults.ts'
import { randomFrom } from '../pure/support/soak.ts'
import { type Owner, useBench } from './support/bench.ts'
import { isOver, uploaded } from './support/data.ts'

const JOBS = Number(process.env.SOAK_JOBS ?? 40)
const KILLS = Number(process.env.SOAK_KILLS ?? 4)
const SEED = Number(process.env.SOAK_SEED ?? 1)
/** A limit for what never ends, not a measure. */
const LIMIT_MS = 240_000 + JOBS * 3000

/** A minute passes in two seconds. */
const bench = useBench({ speed: 30 })

type Job = OpenAI.FineTuning.FineTuningJob & { tunegate: { native_id: string | null } }

const FAULTS: readonly Fault[] = [
  { kind: 'status', status: 500 },
  { kind: 'status', status: 503 },
  { kind: 'status', status: 429, headers: { 'retry-after': '1' } },
  { kind: 'effect-then-status', status: 502 },
  { kind: 'reset' },
  { kind: 'effect-then-reset' },
  { kind: 'slow', delayMs: 300 },
]

it(`${JOBS} jobs under ${KILLS} kills of the gateway are neither lost nor doubled, and their ends are told (seed ${SEED})`, {
  timeout: LIMIT_MS,
}, async () => {
  const random = randomFrom(SEED)
  const { sandbox } = bench.stack
  const owner = await bench.owner()
  await owner.client.webhooks.create({
    name: 'soak',
    url: sandbox.receiver.url('soak'),
    event_types: ['fine_tuning.job.succeeded', 'fine_tuning.job.failed', 'fine_tuning.job.cancelled'],
  })
  const { id: training_file } = await uploaded(owner.client)
  await bench.set({ stepMs: 20 })

  const answered = new Map<string, string>()
  let isBad = true
  let next = 0
  let kills = 0
  const create = async ({ client }: Owner): Promise<void> => {
    while (next < JOBS) {
      // Spread over the kills: there is always something under way.
      if (next >= ((kills + 1) * JOBS) / (KILLS + 1)) {
        await sleep(50)
        continue
      }
      const name = `job-${next++}`
      const headers = random() < 0.5 ? { prefer: 'respond-async' } : {}
      const body = { model: 'gpt-4.1-mini', training_file, metadata: { name } }
      const job = await client.fineTuning.jobs.create(body, { headers }).catch(() => undefined)
      if (job) answered.set(name, job.id)
      if (job && random() < 0.15) await client.fineTuning.jobs.cancel(job.id).catch(() => undefined)
      await sleep(100 + 300 * random())
    }
  }
  const fail = async () => {
    while (isBad) {
      const fault = FAULTS[Math.floor(random() * FAULTS.length)]
      if (fault) sandbox.fault({ path: '/fine_tuning/jobs', ...fault })
      sandbox.receiver.answer('soak', { status: random() < 0.5 ? 503 : 204 })
      await sleep(150 + 300 * random())
    }
  }
  /** Waits for a moment at which much is at stake; it may not come. */
  const moment = async (isIt: () => Promise<boolean> | boolean) => {
    for (let looks = 0; looks < 500 && !(await isIt()); looks++) await sleep(10)
  }
  const MOMENTS: readonly (() => Promise<void>)[] = [
    // The provider has the request of a new job, and acts on it a little later.
    async () => {
      sandbox.fault({ method: 'POST', path: '/fine_tuning/jobs$', kind: 'slow', delayMs: 400 })
      const sent = bench.watch()
      await moment(() => sent().some(({ method, path }) => method === 'POST' && path.endsWith('/jobs')))
    },
    // A receiver has a message, and has not answered it.
    async () => {
      const before = sandbox.receiver.received('soak').length
      sandbox.receiver.answer('soak', { status: 204, delayMs: 400 }, { status: 204, delayMs: 400 })
      await moment(() => sandbox.receiver.received('soak').length > before)
    },
    // The provider has just accepted a job.
    async () => {
      const { count } = (await bench.state()).jobs
      await moment(async () => (await bench.state()).jobs.count > count)
    },
    async () => sleep(500 + 1500 * random()),
  ]
  const kill = async () => {
    for (; kills < KILLS; kills++) {
      await MOMENTS[kills % MOMENTS.length]?.()
      await bench.stack.killGateway()
      await bench.stack.startGateway()
    }
  }
  const tick = () => bench.stack.tick().catch(() => undefined)
  const keepTicking = async () => {
    while (isBad) {
      await tick()
      await sleep(200)
    }
  }
  const troubles = [fail(), keepTicking()]
  await Promise.all([create(owner), create(owner), create(owner), kill()])
  isBad = false
  await Promise.all(troubles)
  sandbox.clearFaults()
  sandbox.receiver.answer('soak')
  await bench.set({ stepMs: 0 })

  const all = async (): Promise<Job[]> => {
    const jobs: Job[] = []
    for await (const job of owner.client.fineTuning.jobs.list({ limit: 100 })) jobs.push(job as Job)
    return jobs
  }
  const told = () =>
    sandbox.receiver.received('soak').map(({ headers, body }) => {
      const { type, data } = JSON.parse(body) as { type: string; data: { id: string } }
      return { message: headers['webhook-id'], type, job: data.id }
    })
  const isAllToldOf = (jobs: Job[]) => jobs.every(({ id }) => told().some(({ job }) => job === id))
  for (;;) {
    await tick()
    const jobs = await all()
    if (jobs.every(isOver) && isAllToldOf(jobs)) break
    await sleep(200)
  }

  const jobs = await all()
  const natives = (await bench.state()).jobs.items
  for (const [name, id] of answered)
    expect(jobs.filter(({ metadata }) => metadata?.name === name).map(job => job.id)).toEqual([id])
  const names = jobs.map(({ metadata }) => metadata?.name)
  expect(new Set(names).size).toBe(names.length)

  const labels = natives.map(({ metadata }) => metadata.tunegate_job)
  expect(new Set(labels).size).toBe(labels.length)
  expect(labels.filter(label => !jobs.some(({ id }) => id === label))).toEqual([])
  for (const job of jobs) {
    const native = natives.find(({ metadata }) => metadata.tunegate_job === job.id)
    if (job.tunegate.native_id !== null) expect(native?.id).toBe(job.tunegate.native_id)
    if (job.status === 'succeeded') expect(native?.status).toBe('succeeded')
    else expect(native?.status ?? 'cancelled').toBe('cancelled')
    const messages = told().filter(({ job: id }) => id === job.id)
    expect(new Set(messages.map(({ message }) => message)).size).toBe(1)
    expect(new Set(messages.map(({ type }) => type))).toEqual(new Set([`fine_tuning.job.${job.status}`]))
  }
  expect(jobs.some(({ status }) => status === 'succeeded')).toBe(true)
  expect(answered.size).toBeGreaterThan(0)
})
