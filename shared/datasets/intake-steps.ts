/**
 * The steps in which a large source is taken in. Each is bounded, saves how far it got, and may be done again: whoever comes next goes
 * on from there.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { ApiError, MOST_PARTS } from '../openai/index.ts'
import type { ChunkReader } from '../platform/index.ts'
import { INTAKES, type IntakeRecord, intakePart, intakePrefix, partCount } from './intake-records.ts'
import { leasesOf, signOfLife, watched } from './lease.ts'
import { deleteUnder, recordFile } from './leftovers.ts'
import { FILES, type FileRecord, LONGEST_NAME } from './records.ts'
import { BeyondTheEnd, type OpenSource, unreadable } from './sources.ts'
import { checkStored } from './stored-check.ts'

/** An intake in the hands of who does its next step. */
export interface IntakeHold {
  context: Context
  intake: IntakeRecord
  /** Opens the source at a byte. */
  open(from: number): Promise<OpenSource>
  /** Where the parts are made, kept from step to step. */
  memory: { part?: Uint8Array<ArrayBuffer> }
}

/** The source is not what it was when it was begun. */
export class SourceReplaced extends Error {
  constructor() {
    super('The source has changed while it was read.')
    this.name = 'SourceReplaced'
  }
}

/** Seconds without progress after which an intake is given up. */
const PATIENCE = 24 * 3600

export const { claim, save, release } = leasesOf(INTAKES)

/** What progress does to a record. */
export const progress = (context: Context): Pick<IntakeRecord, 'failures' | 'ends_at'> => ({
  failures: 0,
  ends_at: nowSeconds(context) + PATIENCE,
})

/** As many bytes a part as are copied at a time, but no more parts than a file may have. */
export const partBytesFor = ({ config }: Context, bytes: number): number =>
  Math.max(config.copying.partBytes, Math.ceil(bytes / MOST_PARTS))

/** A body in pieces that fill a memory; each is good until the next. The last may be shorter. */
async function* piecesOf(source: ChunkReader, memory: Uint8Array<ArrayBuffer>) {
  let filled = 0
  try {
    for (let chunk = await source.next(); chunk; chunk = await source.next(chunk)) {
      for (let rest = chunk; rest.length > 0; ) {
        const taken = rest.subarray(0, memory.length - filled)
        memory.set(taken, filled)
        filled += taken.length
        rest = rest.subarray(taken.length)
        if (filled < memory.length) continue
        yield memory
        filled = 0
      }
    }
    if (filled > 0) yield memory.subarray(0, filled)
  } finally {
    await source.cancel().catch(() => undefined)
  }
}

/** A body whose failures are told as the source's. */
const tellingOf = (source: ChunkReader, broken: (cause: unknown) => ApiError): ChunkReader => ({
  next: spent =>
    source.next(spent).catch((cause: unknown) => {
      throw broken(cause)
    }),
  cancel: () => source.cancel(),
})

/** Opens the source where it is to be gone on with. @throws {SourceReplaced} when it is another by now */
const openNext = async ({ open, intake }: IntakeHold): Promise<ReadableStream<Uint8Array>> => {
  const source = await open(intake.parts * intake.part_bytes).catch((error: unknown) => {
    throw error instanceof BeyondTheEnd ? new SourceReplaced() : error
  })
  if (source.etag === intake.etag) return source.body
  await source.body.cancel().catch(() => undefined)
  throw new SourceReplaced()
}

/** Who was taken for dead may write a part when all is over: then it is nobody's. */
const forgetPart = async (
  { platform: { store, bucket } }: Context,
  { id }: IntakeRecord,
  key: string,
): Promise<void> => {
  if (await INTAKES.get(store, id)) return
  const file = (await FILES.get(store, id))?.value
  if (!file?.segments.some(segment => segment.key === key)) await bucket.delete(key)
}

const taking = async (hold: IntakeHold): Promise<IntakeRecord> => {
  const { context, memory } = hold
  const { bucket, chunks, clock } = context.platform
  const { stepBytes, stepSeconds } = context.config.copying
  let { intake } = hold
  const { param, uri, part_bytes } = intake
  const end = clock.now() + stepSeconds * 1000
  const broken = (cause?: unknown) => unreadable(param, uri, 'it broke off', 502, cause)
  if (memory.part?.length !== part_bytes) memory.part = new Uint8Array(part_bytes)
  let taken = 0
  // A slow source may take longer for a part than a lease lasts.
  const alive = signOfLife(context, () => save(context, intake, {}))
  const source = watched(tellingOf(chunks(await openNext(hold)), broken), alive)
  for await (const piece of piecesOf(source, memory.part)) {
    const { key, bytes } = intakePart(intake, intake.parts)
    if (piece.length < bytes) throw broken()
    await bucket.put(key, piece.subarray(0, bytes))
    const parts = intake.parts + 1
    const isAll = parts === partCount(intake)
    intake = await save(context, intake, {
      ...progress(context),
      parts,
      ...(isAll && { state: 'checking' as const }),
    }).catch(async (error: unknown) => {
      await forgetPart(context, intake, key)
      throw error
    })
    taken += bytes
    if (isAll || taken >= stepBytes || clock.now() >= end) return intake
  }
  throw broken()
}

const nameOf = (uri: string): string => {
  const last = uri.split('/').at(-1) || 'data.jsonl'
  try {
    return decodeURIComponent(last)
  } catch {
    return last
  }
}

/** What a source is called as a file. @param uri without its query */
export const fileNameOf = (uri: string): string => nameOf(uri).slice(-LONGEST_NAME).toWellFormed()

/** Ends an intake: of its bytes only those stay that its file is made of. @returns the file, if there is one */
export const settle = async (context: Context, intake: IntakeRecord): Promise<FileRecord | undefined> => {
  const { store } = context.platform
  const file = (await FILES.get(store, intake.id))?.value
  const isAlive = file?.deleted_at === null
  const kept = new Set(isAlive ? file.segments.map(({ key }) => key) : [])
  await deleteUnder(context, intakePrefix(intake), kept)
  await INTAKES.delete(store, intake.id)
  return isAlive ? file : undefined
}

/** Ends an intake of which nothing came, and keeps why for whoever points at the source next. */
export const fail = async (context: Context, intake: IntakeRecord, { status, code, message }: ApiError) => {
  await deleteUnder(context, intakePrefix(intake), new Set())
  const ends_at = nowSeconds(context) + PATIENCE
  await release(context, intake, {
    state: 'failed',
    parts: 0,
    error: { status, code, message },
    ends_at,
    due_at: ends_at,
  })
}

const checking = async ({ context, intake }: IntakeHold): Promise<FileRecord | undefined> => {
  const { id, owner, uri, etag, param } = intake
  const findings = await checkStored(
    context,
    Array.from({ length: intake.parts }, (_, index) => intakePart(intake, index)),
    {
      isDataset: true,
      canonicalKey: `${intakePrefix(intake)}canonical`,
      alive: signOfLife(context, () => save(context, intake, {})),
    },
  ).catch((error: unknown) => {
    throw error instanceof ApiError ? ofField(error, param) : error
  })
  // Whoever has lost it by now makes no file any more.
  await save(context, intake, {})
  await recordFile(context, {
    id,
    owner,
    filename: fileNameOf(uri),
    purpose: 'fine-tune',
    created_at: nowSeconds(context),
    expires_at: null,
    deleted_at: null,
    copies: [],
    source: { uri, etag },
    ...findings,
  })
  return settle(context, intake)
}

/** The refusal of an upload as one of the field that pointed at the data. */
export const ofField = ({ status, code, message }: ApiError, param: string): ApiError =>
  new ApiError({ status, code, message, param })

/**
 * Does a step.
 * @returns the intake as it then is, or the file it has become
 */
export const step = async (
  hold: IntakeHold,
): Promise<{ intake: IntakeRecord } | { file: FileRecord | undefined }> => {
  const { context, intake } = hold
  // Who was here before may have died after the last write.
  const isRecorded = (await FILES.get(context.platform.store, intake.id)) !== undefined
  if (isRecorded) return { file: await settle(context, intake) }
  return intake.state === 'taking' ? { intake: await taking(hold) } : { file: await checking(hold) }
}
