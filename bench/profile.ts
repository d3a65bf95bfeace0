/**
 * Where the gateway's isolate spends its time under load: a CPU profile through workerd's inspector.
 *
 * @module
 */
import { writeFile } from 'node:fs/promises'
import type { Bed } from './boot.ts'
import { synthesize, uploadToGateway } from './files.ts'
import { chatRequest, pairs } from './load.ts'
import { scriptText } from './upstream.ts'

const SAMPLING_US = 200
const SHOWN = 25
const UPLOAD_MB = 60

interface ProfileNode {
  id: number
  callFrame: { functionName: string; url: string; lineNumber: number }
  children?: number[]
}

interface CpuProfile {
  nodes: ProfileNode[]
  samples: number[]
  timeDeltas: number[]
}

/** A command channel to one isolate's inspector. */
class Inspector {
  readonly #socket: WebSocket
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>()
  #id = 0

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.addEventListener('message', ({ data }) => {
      const message = JSON.parse(String(data)) as {
        id?: number
        result?: unknown
        error?: { message: string }
      }
      const waiting = this.#waiting.get(message.id ?? -1)
      if (message.error !== undefined) waiting?.reject(new Error(message.error.message))
      else waiting?.resolve(message.result)
    })
  }

  static async open(address: URL, service: string): Promise<Inspector> {
    const socket = new WebSocket(new URL(`/${service}`, address))
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    socket.addEventListener('open', () => resolve())
    socket.addEventListener('error', () => reject(new Error(`no inspector at ${address}${service}`)))
    await promise
    return new Inspector(socket)
  }

  send(method: string, params: object = {}): Promise<unknown> {
    const id = ++this.#id
    const waiting = Promise.withResolvers<unknown>()
    this.#waiting.set(id, waiting)
    this.#socket.send(JSON.stringify({ id, method, params }))
    return waiting.promise
  }

  close(): void {
    this.#socket.close()
  }
}

function selfTimes(profile: CpuProfile): string {
  const byNode = new Map<number, number>()
  profile.samples.forEach((id, i) => {
    byNode.set(id, (byNode.get(id) ?? 0) + (profile.timeDeltas[i] ?? 0))
  })
  const byFunction = new Map<string, number>()
  let total = 0
  for (const node of profile.nodes) {
    const { functionName, url, lineNumber } = node.callFrame
    if (functionName === '(idle)') continue
    const time = byNode.get(node.id) ?? 0
    total += time
    const place = `${functionName || '(anonymous)'} ${url.slice(url.lastIndexOf('/') + 1)}:${lineNumber + 1}`
    byFunction.set(place, (byFunction.get(place) ?? 0) + time)
  }
  return [...byFunction]
    .sort((a, b) => b[1] - a[1])
    .slice(0, SHOWN)
    .map(([place, time]) => `${((time / total) * 100).toFixed(1).padStart(5)} %  ${place}`)
    .join('\n')
}

/**
 * Profiles the gateway's isolate while something is done, after a first round that is not watched.
 *
 * @param file where the profile goes; opens in any browser's developer tools
 * @returns the functions with the most time of their own
 */
export async function profile(bed: Bed, work: () => Promise<unknown>, file: string): Promise<string> {
  if (bed.inspector === null) throw new Error('the bed was booted without an inspector')
  await work()
  const inspector = await Inspector.open(bed.inspector, 'core:user:gateway')
  try {
    await inspector.send('Profiler.enable')
    await inspector.send('Profiler.setSamplingInterval', { interval: SAMPLING_US })
    await inspector.send('Profiler.start')
    await work()
    const { profile: taken } = (await inspector.send('Profiler.stop')) as { profile: CpuProfile }
    await writeFile(file, JSON.stringify(taken))
    return selfTimes(taken)
  } finally {
    inspector.close()
  }
}

/** What a profile may be taken of. Both Workers get a completion's load, but only the gateway's isolate is watched. */
export const PROFILED = {
  chat: (bed: Bed) => completions(bed, {}),
  stream: (bed: Bed) => completions(bed, { stream: true as const, user: scriptText({ n: 500 }) }),
  files: ({ gateway }: Bed) => uploadToGateway(gateway, 'fine-tune', synthesize('fine-tune', UPLOAD_MB)),
}

const completions = (bed: Bed, body: object) =>
  pairs(
    bed,
    { connections: 16, milliseconds: 2000, request: (subject: Bed['gateway']) => chatRequest(subject, body) },
    1,
  )
