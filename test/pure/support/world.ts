/**
 * A small world in memory: accounts at OpenAI that outlive the gateway's processes, and processes that can be killed at any
 * call they make, before it has had its effect or after.
 */
import { createCaches } from '../../../shared/caches.ts'
import { type Config, defineConfig } from '../../../shared/config.ts'
import type { Context } from '../../../shared/context.ts'
import type { Platform, Store } from '../../../shared/platform/index.ts'
import { createTransport } from '../../../shared/transport.ts'
import { type MemoryPlatform, memoryPlatform } from './memory.ts'

export interface NativeJob {
  id: string
  status: string
  label: string | undefined
  model: string
  error: { code: string; message: string; param: null } | null
}

/** What a provider does to one call. `lost`: it acts, and its answer does not arrive. */
export type Mood = 'well' | 'lost' | 'deaf' | 'ill' | 'busy' | 'poor' | 'closed' | 'fussy'

export interface Account {
  name: string
  jobs: NativeJob[]
  files: string[]
  /** Decides over each call. */
  mood(method: string, path: string): Mood
  /** What becomes of a job that is looked at. */
  fate(job: NativeJob): void
}

const error = (status: number, code: string, message = code): Response =>
  Response.json({ error: { message, type: 'x', param: null, code } }, { status })

/** What a mood answers in place of the provider; undefined: it acts. */
const REFUSALS: Record<Mood, (() => Response) | undefined> = {
  well: undefined,
  lost: undefined,
  deaf: () => {
    throw new TypeError('connection reset')
  },
  ill: () => error(500, 'server_error'),
  busy: () => error(429, 'rate_limit_exceeded'),
  poor: () => error(429, 'insufficient_quota'),
  closed: () => error(403, 'permission_denied', 'No more tuning here.'),
  fussy: () => error(400, 'invalid_value', 'The data is not right.'),
}

const END_STATES = ['succeeded', 'failed', 'cancelled']

/** Tokens that every job trains. */
export const TRAINED = 1000

const toObject = ({ id, status, label, model, error: reason }: NativeJob) => ({
  object: 'fine_tuning.job',
  id,
  created_at: 1,
  error: reason,
  fine_tuned_model: status === 'succeeded' ? `ft:${model}:x::${id}` : null,
  finished_at: END_STATES.includes(status) ? 2 : null,
  hyperparameters: {},
  model,
  organization_id: 'org',
  result_files: [],
  seed: 1,
  status,
  trained_tokens: status === 'succeeded' ? TRAINED : null,
  training_file: 'file-1',
  validation_file: null,
  metadata: label === undefined ? {} : { tunegate_job: label },
})

const page = (data: unknown[]) => Response.json({ object: 'list', data, has_more: false })

/** OpenAI's wire, as far as a job needs it. */
const answer = async (account: Account, request: Request): Promise<Response> => {
  const { pathname, searchParams } = new URL(request.url)
  const path = pathname.replace(/^\/v1/, '')
  const mood = account.mood(request.method, path)
  const refuse = REFUSALS[mood]
  if (refuse) return refuse()
  const [, first = '', second = '', id = '', verb = ''] = path.split('/')
  const act = async (): Promise<Response> => {
    if (first === 'files') {
      if (request.method === 'POST') {
        await request.arrayBuffer()
        account.files.push(`file-${account.files.length + 1}`)
        return Response.json({ id: account.files.at(-1), filename: 'f', bytes: 1, created_at: 1 })
      }
      return account.files.includes(second)
        ? Response.json({ id: second, filename: 'f', bytes: 1, created_at: 1 })
        : error(404, 'not_found')
    }
    if (request.method === 'POST' && id === '') {
      const { model, metadata } = (await request.json()) as {
        model: string
        metadata?: Record<string, string>
      }
      const job: NativeJob = {
        id: `ftjob-${account.name}-${account.jobs.length + 1}`,
        status: 'queued',
        label: metadata?.tunegate_job,
        model,
        error: null,
      }
      account.jobs.push(job)
      return Response.json(toObject(job))
    }
    if (id === '') {
      const label = searchParams.get('metadata[tunegate_job]')
      return page(account.jobs.filter(job => label === null || job.label === label).map(toObject))
    }
    const job = account.jobs.find(each => each.id === id)
    if (!job) return error(404, 'not_found')
    if (verb === 'events' || verb === 'checkpoints') return page([])
    if (verb === 'cancel') {
      if (END_STATES.includes(job.status)) return error(400, 'invalid_value', 'It is over.')
      job.status = 'cancelled'
    } else account.fate(job)
    return Response.json(toObject(job))
  }
  const answered = await act()
  if (mood === 'lost') throw new TypeError('connection reset')
  return answered
}

/** A process of the gateway. After its last call it is dead: whatever it still awaits never comes. */
export interface Process {
  context: Context
  /** Calls it has made, to the store and to the outside. */
  readonly calls: number
  /** Runs something until it is through or the process is killed. */
  run<T>(work: (context: Context) => Promise<T>): Promise<{ value: T } | { error: unknown } | 'killed'>
}

export interface World {
  platform: MemoryPlatform
  accounts: Record<string, Account>
  /** @param kill at which call, from 1, and whether the call still has its effect */
  process(kill?: { at: number; isAfter: boolean }): Process
  /** Lets time go by. */
  wait(seconds: number): void
}

/** @param names of the accounts, each a connection; the first is the default */
export const createWorld = (names: readonly [string, ...string[]], config: Partial<Config> = {}): World => {
  const accounts: Record<string, Account> = Object.fromEntries(
    names.map(name => [
      name,
      {
        name,
        jobs: [],
        files: [],
        mood: () => 'well' as const,
        fate: (job: NativeJob) => {
          if (job.status === 'queued') job.status = 'running'
          else if (job.status === 'running') job.status = 'succeeded'
        },
      },
    ]),
  )
  const platform = memoryPlatform(async request => {
    const account = accounts[new URL(request.url).hostname.split('.')[0] ?? '']
    if (!account) throw new TypeError('no such host')
    return answer(account, request)
  })
  const complete = defineConfig({
    connections: Object.fromEntries(
      names.map(name => [
        name,
        { provider: 'openai' as const, apiKey: `sk-${name}`, baseUrl: `https://${name}.example.com/v1` },
      ]),
    ),
    defaultConnection: names[0],
    retries: { count: 1, firstDelayMs: 1, longestDelayMs: 1 },
    timeoutSeconds: 30,
    ...config,
  })

  const start: World['process'] = kill => {
    let calls = 0
    let die: () => void = () => undefined
    const death = new Promise<'killed'>(resolve => {
      die = () => resolve('killed')
    })
    const never = new Promise<never>(() => undefined)
    /** One call of the process to what outlives it. */
    const called = async <T>(call: () => Promise<T>): Promise<T> => {
      calls++
      if (kill && calls > kill.at) return never
      if (calls !== kill?.at) return call()
      if (kill.isAfter) await call().catch(() => undefined)
      die()
      return never
    }
    const { store, queue } = platform
    const mortal: Store = {
      get: (...args) => called(() => store.get(...args)),
      put: (...args) => called(() => store.put(...args)),
      putAll: (...args) => called(() => store.putAll(...args)),
      delete: (...args) => called(() => store.delete(...args)),
      list: (...args) => called(() => store.list(...args)),
    }
    const own: Platform = {
      ...platform,
      store: mortal,
      queue: { enqueue: (...args) => called(() => queue.enqueue(...args)) },
      fetch: (request, init) => called(() => platform.fetch(request, init)),
    }
    const context: Context = {
      config: complete,
      platform: own,
      caches: createCaches(),
      transport: createTransport({ fetch: own.fetch, clock: own.clock, retries: complete.retries }),
    }
    return {
      context,
      get calls() {
        return calls
      },
      run: async work =>
        Promise.race([
          death,
          work(context).then(
            value => ({ value }),
            (thrown: unknown) => ({ error: thrown }),
          ),
        ]),
    }
  }
  return {
    platform,
    accounts,
    process: start,
    wait: seconds => {
      platform.clock.time += seconds * 1000
    },
  }
}
