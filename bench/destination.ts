/**
 * A provider that takes files in parts, slowly: it reads at a fixed pace, keeps nothing but a checksum, and says whether the whole is
 * what it was announced to be.
 *
 * @module
 */
import { createHash, type Hash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

/** Bytes a second that it reads. */
const PACE = 40e6
const PAUSE_MS = 20
const SECONDS_OF_AN_UPLOAD = 3600

interface Upload {
  hash: Hash
  bytes: number
  parts: number
}
const uploads = new Map<string, Upload>()

const HEAD_END = Buffer.from('\r\n\r\n')

/** The file in a form that has nothing else. */
function fileIn(form: Buffer): Buffer {
  const start = form.indexOf(HEAD_END) + HEAD_END.length
  const boundary = form.subarray(0, form.indexOf('\r\n')).length
  return form.subarray(start, form.length - '\r\n'.length - boundary - '--\r\n'.length)
}

async function read(request: IncomingMessage, pace: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let ahead = 0
  for await (const chunk of request) {
    chunks.push(chunk)
    ahead += (chunk.length / pace) * 1000
    // Timers are coarse: many small pauses would come out far longer than they are.
    if (ahead < PAUSE_MS) continue
    await sleep(ahead)
    ahead = 0
  }
  return Buffer.concat(chunks)
}

const JOB = {
  object: 'fine_tuning.job',
  created_at: 0,
  error: null,
  fine_tuned_model: null,
  finished_at: null,
  hyperparameters: {},
  organization_id: 'bench',
  result_files: [],
  seed: 1,
  status: 'queued',
  trained_tokens: null,
  validation_file: null,
}

async function answer(request: IncomingMessage, path: string): Promise<object | undefined> {
  const [, id = '', verb] = /^\/v1\/uploads\/([^/]+)\/(parts|complete)$/.exec(path) ?? []
  const upload = uploads.get(id)
  if (upload && verb === 'parts') {
    const bytes = fileIn(await read(request, PACE))
    upload.hash.update(bytes)
    upload.bytes += bytes.length
    return { id: `part_${upload.parts++}` }
  }
  const body = await read(request, Number.POSITIVE_INFINITY)
  if (upload && verb === 'complete') {
    const { md5 } = JSON.parse(body.toString())
    return upload.hash.digest('hex') === md5 ? { file: { id: `file-${id}` } } : undefined
  }
  if (path === '/v1/uploads') {
    const name = `upload_${uploads.size}`
    uploads.set(name, { hash: createHash('md5'), bytes: 0, parts: 0 })
    return { id: name, expires_at: Math.floor(Date.now() / 1000) + SECONDS_OF_AN_UPLOAD }
  }
  if (path === '/v1/fine_tuning/jobs' && request.method === 'POST')
    return { ...JOB, ...JSON.parse(body.toString()), id: 'ftjob-bench' }
  const file = /^\/v1\/files\/file-(.+)$/.exec(path)?.[1]
  const held = file === undefined ? undefined : uploads.get(file)
  return held && { id: `file-${file}`, filename: 'bench.jsonl', bytes: held.bytes, created_at: 0 }
}

/** Serves what a copy asks of a provider. @returns false for what is none of that */
export function serveDestination(request: IncomingMessage, path: string, response: ServerResponse): boolean {
  if (!/^\/v1\/(uploads|files|fine_tuning)\b/.test(path)) return false
  answer(request, path).then(
    found =>
      response
        .writeHead(found ? 200 : 400, { 'content-type': 'application/json' })
        .end(JSON.stringify(found ?? { error: { message: 'no' } })),
    () => response.destroy(),
  )
  return true
}
