/**
 * A large file in parts (`/v1/uploads`): two parts at a time on their way in, then completed, then read back.
 *
 * @module
 */
import type { Bed, Subject } from './boot.ts'
import {
  BOUNDARY,
  measured,
  PART_BYTES,
  receive,
  remove,
  rowsOf,
  type Synthetic,
  send,
  synthesize,
  type Transfer,
  uploadToBare,
} from './files.ts'
import type { Row } from './report.ts'
import { ask, requestBytes } from './wire.ts'

const PARTS = 16
const AT_ONCE = 2
const FULL_MB = 1000
const QUICK_MB = 100
const WARM_MB = 16

type Purpose = Parameters<typeof synthesize>[0]

async function call(subject: Subject, path: string, body: object): Promise<Record<string, unknown>> {
  const headers = { authorization: subject.authorization, 'content-type': 'application/json' }
  const { status, text } = await ask(subject.port, requestBytes('POST', path, headers, JSON.stringify(body)))
  if (status >= 300) throw new Error(`POST ${path} was answered ${status}: ${text.slice(0, 500)}`)
  return JSON.parse(text)
}

/** The file cut into parts of whole pieces. */
function cut(file: Synthetic): { bytes: number; pieces: () => Iterable<Buffer> }[] {
  const [piece = Buffer.alloc(0)] = file.pieces()
  const least = Math.floor(file.count / PARTS)
  return Array.from({ length: PARTS }, (_, index) => {
    const count = least + (index < file.count % PARTS ? 1 : 0)
    const pieces = function* () {
      for (let i = 0; i < count; i++) yield piece
    }
    return { bytes: count * piece.length, pieces }
  }).filter(({ bytes }) => bytes > 0)
}

async function addPart(
  subject: Subject,
  upload: string,
  part: ReturnType<typeof cut>[number],
): Promise<string> {
  const before = Buffer.from(
    `--${BOUNDARY}\r\ncontent-disposition: form-data; name="data"; filename="part"\r\n\r\n`,
  )
  const after = Buffer.from(`\r\n--${BOUNDARY}--\r\n`)
  const head = requestBytes(
    'POST',
    `/v1/uploads/${upload}/parts`,
    { authorization: subject.authorization, 'content-type': `multipart/form-data; boundary=${BOUNDARY}` },
    { length: before.length + part.bytes + after.length },
  )
  const pieces = function* () {
    yield before
    yield* part.pieces()
    yield after
  }
  const { id } = JSON.parse(await send(subject.port, head, pieces())) as { id: string }
  return id
}

async function addParts(subject: Subject, upload: string, file: Synthetic): Promise<string[]> {
  const parts = cut(file)
  const ids: string[] = []
  let next = 0
  const worker = async () => {
    for (let index = next++; index < parts.length; index = next++) {
      const part = parts[index]
      if (part) ids[index] = await addPart(subject, upload, part)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  return ids
}

interface Way {
  parts: Transfer
  completion: Transfer
  down: Transfer
}

async function inParts(bed: Bed, purpose: Purpose, megabytes: number): Promise<Way> {
  const { gateway } = bed
  const run = async (file: Synthetic): Promise<Way> => {
    const params = { filename: 'bench.jsonl', purpose, bytes: file.bytes, mime_type: 'application/jsonl' }
    const { id } = await call(gateway, '/v1/uploads', params)
    let part_ids: string[] = []
    let path = ''
    const parts = await measured(bed, file.bytes, async () => {
      part_ids = await addParts(gateway, String(id), file)
    })
    const completion = await measured(bed, file.bytes, async () => {
      const done = await call(gateway, `/v1/uploads/${id}/complete`, { part_ids, md5: file.md5 })
      path = `/v1/files/${(done.file as { id: string }).id}`
    })
    const down = await measured(bed, file.bytes, () => receive(gateway, `${path}/content`, file))
    await remove(gateway, path)
    return { parts, completion, down }
  }
  // Small first: code, buffers and the simulator's tables are then in memory, and only the size makes a difference.
  await run(synthesize(purpose, WARM_MB))
  return run(synthesize(purpose, megabytes))
}

async function bareWay(bed: Bed, megabytes: number): Promise<{ up: Transfer; down: Transfer }> {
  const run = async (file: Synthetic) => {
    const up = await measured(bed, file.bytes, async () => {
      await uploadToBare(bed.bare, `?parts=${PART_BYTES}`, file)
    })
    const down = await measured(bed, file.bytes, () => receive(bed.bare, '/file', file))
    await remove(bed.bare, '/file')
    return { up, down }
  }
  await run(synthesize('batch', WARM_MB))
  return run(synthesize('batch', megabytes))
}

/** Measures uploads in parts, each way in a workerd of its own. */
export async function uploads(start: () => Promise<Bed>, quick: boolean): Promise<Row[]> {
  const megabytes = quick ? QUICK_MB : FULL_MB
  const inFreshBed = async <T>(work: (bed: Bed) => Promise<T>) => {
    const bed = await start()
    try {
      return await work(bed)
    } finally {
      await bed.stop()
    }
  }
  const bare = await inFreshBed(bed => bareWay(bed, megabytes))
  const batch = await inFreshBed(bed => inParts(bed, 'batch', megabytes))
  const tune = await inFreshBed(bed => inParts(bed, 'fine-tune', megabytes))
  const size = `${megabytes} MB`
  const rows = (name: string, ours: Transfer, theirs: Transfer) => rowsOf(name, ours, theirs, 'uploads')
  return [
    ...rows(`${PARTS} parts, ${size}, ${AT_ONCE} at once (bare: one upload)`, batch.parts, bare.up),
    ...rows(`complete ${size} with MD5, batch (bare: download)`, batch.completion, bare.down),
    ...rows(`complete ${size} with MD5, fine-tune (bare: download)`, tune.completion, bare.down),
    ...rows(`download ${size} of ${PARTS} objects (bare: one object)`, batch.down, bare.down),
  ]
}
