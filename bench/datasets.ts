/**
 * How fast datasets are read, checked and converted: beside splitting the same bytes into lines and parsing them.
 *
 * The figures are megabytes a second of CPU time: the work waits for nothing, and other processes weigh less on it.
 *
 * @module
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare'
import { bundleWorker } from './bundle.ts'
import { spread } from './load.ts'
import { watchMemory } from './memory.ts'
import { childrenNamed, cpuSeconds } from './proc.ts'
import type { Row } from './report.ts'

const GOAL = 0.6
const MEMORY_GOAL_MIB = 64
const SECTION = 'datasets'
const BESIDE = 'splitting lines and JSON.parse on the same bytes'

interface Worker {
  pid: number
  run(way: string, file: string, megabytes: number): Promise<void>
  stop(): Promise<void>
}

async function start(scratch: string): Promise<Worker> {
  const { modules, compatibility } = await bundleWorker('datasets-worker.ts', scratch)
  const folder = join(scratch, 'datasets')
  await mkdir(folder, { recursive: true })
  const before = childrenNamed('workerd')
  const miniflare = new Miniflare({
    ...convertV4MiniflareOptions({
      workers: [
        {
          name: 'datasets',
          modules,
          compatibilityDate: compatibility.date,
          compatibilityFlags: compatibility.flags,
          unsafeDirectSockets: [{ host: '127.0.0.1', port: 0 }],
        },
      ],
      log: new Log(LogLevel.NONE),
    }),
    resourcePersistencePath: folder,
  })
  await miniflare.ready
  const url = await miniflare.unsafeGetDirectURL('datasets')
  const pid = childrenNamed('workerd').find(each => !before.includes(each))
  if (pid === undefined) throw new Error('there is no /proc to measure by')
  return {
    pid,
    async run(way, file, megabytes) {
      const answer = await fetch(new URL(`/${way}?file=${file}&megabytes=${megabytes}`, url))
      const text = await answer.text()
      if (!answer.ok)
        throw new Error(`${way} of ${file} was answered ${answer.status}: ${text.slice(0, 300)}`)
    },
    stop: () => miniflare.dispose(),
  }
}

/** What is measured: a way to read a file, and what it is compared with. */
interface Case {
  name: string
  way: string
  file: string
  beside: string
  goal?: { least: number }
}

const CASES: readonly Case[] = [
  { name: 'validate JSONL', way: 'validate', file: 'jsonl', beside: 'floor', goal: { least: GOAL } },
  {
    name: 'validate + convert to Gemini',
    way: 'gemini',
    file: 'jsonl',
    beside: 'floor',
    goal: { least: GOAL },
  },
  { name: 'the same, beside plain split and parse', way: 'gemini', file: 'jsonl', beside: 'plain' },
  { name: 'convert to Gemini', way: 'convert', file: 'jsonl', beside: 'floor' },
  { name: 'array: validate + canonical', way: 'canonical', file: 'json', beside: 'floor' },
  { name: 'CSV: validate + canonical', way: 'canonical', file: 'csv', beside: 'floor' },
]

/** Measures each way beside its floor, in alternating rounds. */
export async function datasets(scratch: string, quick: boolean): Promise<Row[]> {
  // One block of the Worker's: no record comes twice.
  const [rounds, megabytes] = [quick ? 3 : 9, 32]
  const worker = await start(scratch)
  try {
    const speed = async (way: string, file: string) => {
      const from = cpuSeconds(worker.pid) ?? 0
      await worker.run(way, file, megabytes)
      return megabytes / ((cpuSeconds(worker.pid) ?? 0) - from)
    }
    const rows: Row[] = []
    for (const { name, way, file, beside, goal } of CASES) {
      const sides = { gateway: [] as number[], bare: [] as number[], ratio: [] as number[] }
      for (let round = -1; round < rounds; round++) {
        // The container of the floor is always lines: the others' bytes have none that could be parsed.
        const bare = await speed(beside, 'jsonl')
        const gateway = await speed(way, file)
        if (round < 0) continue
        sides.bare.push(bare)
        sides.gateway.push(gateway)
        sides.ratio.push(gateway / bare)
      }
      rows.push({
        section: SECTION,
        beside: BESIDE,
        name,
        unit: 'MB/s',
        gateway: spread(sides.gateway),
        bare: spread(sides.bare),
        by: 'ratio',
        compared: spread(sides.ratio),
        ...(goal && { goal }),
      })
    }
    const large = quick ? 100 : 1000
    for (const [way, file] of [
      ['gemini', 'jsonl'],
      ['canonical', 'json'],
      ['canonical', 'csv'],
    ] as const) {
      const { memory } = await watchMemory(worker.pid, () => worker.run(way, file, large))
      const growth = spread([memory?.growth ?? Number.NaN])
      rows.push({
        section: SECTION,
        beside: BESIDE,
        name: `${large} MB of ${file}, validate + convert: memory growth`,
        unit: 'MiB',
        gateway: growth,
        bare: spread([Number.NaN]),
        by: 'itself',
        compared: growth,
        goal: { most: MEMORY_GOAL_MIB },
      })
    }
    return rows
  } finally {
    await worker.stop()
  }
}
