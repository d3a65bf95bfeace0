/**
 * `npm run bench:start`: what a start costs, on either platform. Sizes of the bundles; loading the Lambda bundle and its first
 * answer, in fresh processes; and what `wrangler check startup` says of the Worker.
 * @module
 */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { bundle } from '../esbuild.config.ts'
import { ROOT } from './bundle.ts'
import type { FirstRequest } from './first-request.ts'

const run = promisify(execFile)
const RUNS = 21
const STARTUPS = 5

const median = (values: number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
const kibibytes = (bytes: number) => `${(bytes / 1024).toFixed(1)} KiB`
const milliseconds = (values: number[]) =>
  `${median(values).toFixed(1)} ms (${Math.min(...values).toFixed(1)} … ${Math.max(...values).toFixed(1)})`
const say = (text: string) => process.stdout.write(`${text}\n`)

/** Variables a function has; nothing is asked of what they name. */
const ENVIRONMENT = {
  AWS_REGION: 'us-east-1',
  TUNEGATE_TABLE: 'bench',
  TUNEGATE_BUCKET: 'bench',
  AWS_ACCESS_KEY_ID: 'bench',
  AWS_SECRET_ACCESS_KEY: 'bench',
}

const lambda = async (scratch: string): Promise<void> => {
  const { outputs } = await bundle(undefined, scratch)
  for (const path of Object.keys(outputs).filter(path => path.endsWith('.mjs'))) {
    const bytes = await readFile(join(scratch, basename(path)))
    say(`${basename(path)}: ${kibibytes(bytes.length)}, gzip ${kibibytes(gzipSync(bytes).length)}`)
  }
  const results: FirstRequest[] = []
  for (let round = 0; round < RUNS; round++) {
    const args = [join(import.meta.dirname, 'first-request.ts'), join(scratch, 'lambda.mjs')]
    const { stdout } = await run(process.execPath, args, { env: { ...process.env, ...ENVIRONMENT } })
    results.push(JSON.parse(stdout))
  }
  const odd = results.find(({ status }) => status !== 401)
  if (odd) throw new Error(`The first request was answered ${odd.status}.`)
  say(`${RUNS} fresh processes, Node ${process.version}; medians (least … most)`)
  for (const field of ['loading', 'answering', 'cpu'] as const)
    say(`${field}: ${milliseconds(results.map(result => result[field]))}`)
}

const worker = async (scratch: string): Promise<void> => {
  const wrangler = join(ROOT, 'node_modules/wrangler/bin/wrangler.js')
  const args = ['check', 'startup', '--args=--minify', '--outfile', join(scratch, 'startup.cpuprofile')]
  const active: number[] = []
  for (let round = 0; round < STARTUPS; round++) {
    const { stdout } = await run(process.execPath, [wrangler, ...args], {
      cwd: ROOT,
      env: { ...process.env, WRANGLER_SEND_METRICS: 'false', WRANGLER_SEND_ERROR_REPORTS: 'false' },
    })
    const found = /Active: ([\d.]+) ms/.exec(stdout)?.[1]
    if (found === undefined) throw new Error(`wrangler tells no time:\n${stdout}`)
    active.push(Number(found))
  }
  say(`wrangler check startup, ${STARTUPS} times, active: ${milliseconds(active)}`)
}

const scratch = await mkdtemp(join(tmpdir(), 'tunegate-start-'))
try {
  await lambda(scratch)
  await worker(scratch)
} finally {
  await rm(scratch, { recursive: true })
}
