/**
 * Many jobs in a world where processes die at any moment and providers fail in every way they know: none is lost, none is
 * trained twice, all come to an end. The same seed is the same world.
 */
import { vi } from 'vitest'
import { tick } from '../../../functions/schedule.ts'
import { runTask } from '../../../functions/tasks.ts'
import type { Store } from '../../../shared/platform/index.ts'
import { commandJob, getJob, type JobRecord } from '../../../shared/training/index.ts'
import { budget, wrongsIn as wrongsInBooks } from './money.ts'
import { addDataset, ask, jobsIn, OWNER } from './placing.ts'
import { type Account, createWorld, type Mood, type NativeJob, type World } from './world.ts'

/** Numbers from 0 to 1 that follow from a seed (mulberry32). */
export const randomFrom = (seed: number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export interface SoakResult {
  jobs: number
  kills: number
  faults: number
  ticks: number
  lostMessages: number
  ends: Record<string, number>
  /** What must not be: empty when all is well. */
  wrongs: string[]
}

/** How often each mood comes over a provider in bad times. */
const MOODS: readonly (readonly [Mood, number])[] = [
  ['well', 0.72],
  ['lost', 0.06],
  ['deaf', 0.06],
  ['ill', 0.06],
  ['busy', 0.05],
  ['poor', 0.03],
  ['closed', 0.02],
]

const pick = <T>(rows: readonly (readonly [T, number])[], at: number): T | undefined => {
  let sum = 0
  return rows.find(([, share]) => {
    sum += share
    return at < sum
  })?.[0]
}

const isOver = ({ status }: NativeJob) => ['succeeded', 'failed', 'cancelled'].includes(status)

/** What must hold when all is over. */
const wrongsIn = (world: World, jobs: JobRecord[], known: ReadonlySet<string>): string[] => {
  const natives = Object.values(world.accounts).flatMap(account => account.jobs)
  const wrongs: string[] = []
  for (const id of known) if (!jobs.some(job => job.id === id)) wrongs.push(`${id} was answered, and is lost`)
  for (const job of jobs) {
    const own = natives.filter(({ label }) => label === job.id || label?.startsWith(`${job.id}-`))
    const trained = own.filter(({ status }) => status === 'succeeded')
    if (trained.length > 1) wrongs.push(`${job.id} was trained ${trained.length} times`)
    if (own.some(native => !isOver(native))) wrongs.push(`${job.id} left a job running`)
    if (job.status === 'succeeded' && trained[0]?.id !== job.native_id)
      wrongs.push(`${job.id} names ${job.native_id}, trained was ${trained[0]?.id}`)
    if (job.status !== 'succeeded' && trained.length > 0)
      wrongs.push(`${job.id} is ${job.status}, and was trained`)
    if (job.stage !== 'over') wrongs.push(`${job.id} is still ${job.stage} (${job.status})`)
  }
  const labels = natives.map(({ label }) => label)
  if (new Set(labels).size !== labels.length) wrongs.push('a label was used twice')
  for (const { label } of natives) {
    const job = jobs.find(({ id }) => label === id || label?.startsWith(`${id}-`))
    if (!job) wrongs.push(`${label} belongs to no job`)
  }
  return wrongs
}

/**
 * @param count jobs to create
 * @param store another than in memory; with what goes wrong with it, asked in bad times before each act
 */
export const soak = async (
  seed: number,
  count: number,
  store?: { store: Store; trouble(luck: number): void },
): Promise<SoakResult> => {
  const random = randomFrom(seed)
  const world = createWorld(['one', 'two', 'three'], { timeoutSeconds: 30 })
  if (store) world.platform.store = { ...world.platform.store, ...store.store }
  await addDataset(world)
  const books = [
    await budget(world, { monthly_limit_usd: 1000, unknown_prices: 'allow' }),
    await budget(world, { monthly_limit_usd: 0.75, scope: { type: 'owner' } }, OWNER),
  ]
  // Everything that is left to chance follows from the seed.
  let ids = 0
  world.platform.ids = { next: prefix => `${prefix}${String(++ids).padStart(8, '0')}` }
  vi.spyOn(Math, 'random').mockImplementation(random)
  const result: SoakResult = {
    ...{ jobs: 0, kills: 0, faults: 0, ticks: 0, lostMessages: 0 },
    ends: {},
    wrongs: [],
  }
  let isBad = true
  const behave = (account: Account) => {
    account.mood = () => {
      const mood = (isBad && pick(MOODS, random())) || 'well'
      if (mood !== 'well') result.faults++
      return mood
    }
    account.fate = job => {
      if (isOver(job)) return
      const luck = random()
      if (luck < 0.5) job.status = job.status === 'queued' ? 'running' : job.status
      else if (luck < 0.9) job.status = 'succeeded'
      else {
        job.status = 'failed'
        job.error = {
          code: luck < 0.96 ? 'server_error' : 'invalid_training_file',
          message: 'It broke.',
          param: null,
        }
      }
    }
  }
  Object.values(world.accounts).forEach(behave)

  /** A process that lives as long as the seed lets it. */
  const mortal = () => {
    const isDoomed = isBad && random() < 0.4
    return world.process(
      isDoomed ? { at: 1 + Math.floor(random() * 40), isAfter: random() < 0.5 } : undefined,
    )
  }
  const note = (end: unknown) => {
    if (end === 'killed') result.kills++
  }
  /** Jobs whose creation was answered. */
  const known = new Set<string>()

  const create = async () => {
    const fallbacks = random() < 0.5 ? { fallback_providers: ['two', 'three'] } : {}
    const how = random() < 0.3 ? { provider: 'auto' } : fallbacks
    const end = await mortal().run(context => ask(context, how, random() < 0.5))
    note(end)
    if (end !== 'killed' && 'value' in end) known.add(end.value.id)
  }
  const serve = async () => {
    const task = world.platform.tasks.shift()
    if (!task) return
    const luck = random()
    if (isBad && luck < 0.2) {
      result.lostMessages++
      return
    }
    // At least once: now and then twice, and out of order.
    if (luck < 0.3) world.platform.tasks.push(task)
    note(await mortal().run(context => runTask(context, task)))
  }
  const look = async () => {
    const jobs = await jobsIn(world)
    const job = jobs[Math.floor(random() * jobs.length)]
    if (!job) return
    const work = random()
    note(
      await mortal().run(context =>
        work < 0.3 ? commandJob(context, OWNER, job.id, 'cancel') : getJob(context, OWNER, job.id),
      ),
    )
  }
  const beat = async () => {
    result.ticks++
    world.wait(20 + random() * 100)
    // Two at once, as platforms do.
    const ticks = Array.from({ length: random() < 0.3 ? 2 : 1 }, () => mortal().run(tick))
    for (const end of await Promise.all(ticks)) note(end)
  }

  const acts: readonly (readonly [() => Promise<void>, number])[] = [
    [create, 0.25],
    [serve, 0.25],
    [look, 0.2],
    [beat, 0.3],
  ]
  for (let made = 0; made < count; ) {
    const act = pick(acts, random()) ?? beat
    store?.trouble(random())
    if (act === create) made++
    await act()
  }
  // Then the storm is over: what is left must come right by itself.
  isBad = false
  for (let ticks = 0; ticks < 400; ticks++) {
    if ((await jobsIn(world)).every(({ stage }) => stage === 'over')) break
    await beat()
    world.wait(200)
  }
  const jobs = await jobsIn(world)
  result.jobs = jobs.length
  for (const { status } of jobs) result.ends[status] = (result.ends[status] ?? 0) + 1
  // Workers that were overtaken may have left reservations: they are looked for now and then.
  world.wait(7 * 3600)
  await tick(world.process().context)
  result.wrongs = wrongsIn(world, jobs, known)
  for (const each of books) result.wrongs.push(...(await wrongsInBooks(world, each)))
  return result
}
