/**
 * A Lambda function on this machine: as many execution environments as there are invocations at a time, each a process with
 * Lambda's runtime that serves one invocation after the other.
 * @module
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Outcome, openRuntimeApi, type RuntimeApi } from './runtime-api.ts'

/** Lambda's own runtime, and what stands in for its native part unless that has been built. */
const RUNTIME = fileURLToPath(import.meta.resolve('aws-lambda-ric'))
const isBuilt = existsSync(join(dirname(RUNTIME), 'rapid-client.node'))
const PRELOAD = isBuilt ? [] : ['--import', new URL('without-native-part.ts', import.meta.url).href]

/** Which runtime functions run under here. */
export const RUNTIME_NAME = `aws-lambda-ric, its native part ${isBuilt ? 'built' : 'in JavaScript'}`

export interface FunctionOptions {
  /** A directory with the bundle, and the handler in it: `lambda.http`. */
  root: string
  handler: string
  variables: Record<string, string>
  log(text: string): void
}

export interface LambdaFunction {
  invoke(event: unknown): Promise<Outcome>
  /** The pids of its environments. */
  readonly pids: number[]
  /** SIGKILL for all environments; those that come after are new. */
  kill(): Promise<void>
}

interface Environment {
  api: RuntimeApi
  child: ChildProcess
  isBusy: boolean
  /** Whether it has ever asked for an invocation. */
  isLoaded: boolean
  exited: Promise<void>
}

/** Environments at a time; further invocations wait. Lambda has more, this machine has not. */
const MOST = 6
const ARN = 'arn:aws:lambda:us-east-1:123456789012:function:tunegate'

/** Nothing outlives this process. */
const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export function createFunction({ root, handler, variables, log }: FunctionOptions): LambdaFunction {
  const environments = new Set<Environment>()
  const waiting: { event: string; resolve(outcome: Outcome): void }[] = []

  const start = async (): Promise<Environment> => {
    const api = await openRuntimeApi(`${ARN}-${handler.split('.')[1]}`)
    const child = spawn(process.execPath, [...PRELOAD, RUNTIME, handler], {
      stdio: ['ignore', 'pipe', 'pipe'],
      // Nothing of this machine's: a function has what it is given.
      env: {
        PATH: process.env.PATH,
        ...variables,
        AWS_LAMBDA_RUNTIME_API: api.address,
        LAMBDA_TASK_ROOT: root,
        _HANDLER: handler,
        AWS_LAMBDA_FUNCTION_NAME: `tunegate-${handler.split('.')[1]}`,
        AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
        AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '512',
        AWS_LAMBDA_LOG_GROUP_NAME: '/aws/lambda/tunegate',
        AWS_LAMBDA_LOG_STREAM_NAME: 'local',
      },
    })
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', chunk => log(String(chunk)))
    const exited = new Promise<void>(resolve => {
      child.once('error', error => {
        log(error.message)
        resolve()
      })
      child.once('exit', () => resolve())
    })
    const environment: Environment = { api, child, isBusy: true, isLoaded: false, exited }
    environments.add(environment)
    running.add(child)
    void exited.then(() => {
      running.delete(child)
      environments.delete(environment)
      api.fail('The environment has ended.')
      api.close()
      // Code that does not load will not load the next time.
      if (!environment.isLoaded)
        waiting.shift()?.resolve({
          kind: 'failed',
          type: 'Runtime.InitError',
          body: api.initError ?? 'The environment ended before it had loaded the function.',
        })
      serveNext()
    })
    api.onIdle = () => {
      environment.isBusy = false
      environment.isLoaded = true
      serveNext()
    }
    return environment
  }

  const serveNext = (): void => {
    const [next] = waiting
    if (!next) return
    const free = [...environments].find(({ isBusy, api }) => !isBusy && api.idle)
    if (free) {
      waiting.shift()
      free.isBusy = true
      void free.api.invoke(next.event).then(next.resolve)
    } else if (environments.size + starting < MOST && starting < waiting.length) {
      starting++
      void start().finally(() => starting--)
    }
  }
  let starting = 0

  return {
    invoke: event =>
      new Promise(resolve => {
        waiting.push({ event: JSON.stringify(event), resolve })
        serveNext()
      }),
    get pids() {
      return [...environments].flatMap(({ child }) => child.pid ?? [])
    },
    async kill() {
      const all = [...environments]
      for (const { child } of all) child.kill('SIGKILL')
      await Promise.all(all.map(({ exited }) => exited))
    },
  }
}
