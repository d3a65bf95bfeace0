/**
 * The steps of a copy. Each is bounded, saves how far it got, and may be done again: whoever comes next goes on from there.
 * @module
 */
import type { Context } from '../context.ts'
import { type ApiError, badRequest } from '../openai/index.ts'
import {
  type Connection,
  type DatasetFormat,
  ProviderFault,
  type TransferFile,
  type Transfers,
} from '../providers/index.ts'
import { md5Of, RunningChecksum } from './checksum.ts'
import { convert, type LineLoss, MOST_LOSSES, survey } from './convert.ts'
import { save } from './copy-lease.ts'
import { COPIES, type CopyRecord, type Origin, UNTOUCHED } from './copy-records.ts'
import { type Format, formatFrom } from './formats/index.ts'
import { LeaseLost, signOfLife } from './lease.ts'
import { findOrigin, openOrigin } from './origins.ts'
import { type Cut, cutParts, type PartStart } from './parts.ts'
import { FILES, type FileRecord } from './records.ts'

/** A copy in the hands of who does its next step. */
export interface Hold {
  context: Context
  connection: Connection
  copy: CopyRecord
  /** Whether what comes next may have been done before, without that being saved. */
  isTakenOver: boolean
  /** Where the parts are made, kept from step to step: large memory is given back to the system late. */
  memory: { part?: Uint8Array<ArrayBuffer> }
}

/** Does a step. @returns the copy as it then is */
type Step = (hold: Hold) => Promise<CopyRecord>

/** The parts turned out to be others than when they were surveyed. */
class SourceChanged extends Error {
  constructor() {
    super('The dataset has changed while it was copied.')
    this.name = 'SourceChanged'
  }
}

/** What `from` was made of cannot be read any more, or is not what it was: all is begun anew. */
export const isSourceChanged = (error: unknown): boolean => error instanceof SourceChanged

/** A file that has the content. @throws {LeaseLost} when the last one has been deleted */
const contentFile = async ({ platform }: Context, { files }: CopyRecord): Promise<FileRecord> => {
  for (const id of files) {
    const file = (await FILES.get(platform.store, id))?.value
    if (file?.deleted_at === null) return file
  }
  throw new LeaseLost()
}

/** A file, and the place it is read from as long as nothing is begun anew. */
interface Source {
  file: FileRecord
  origin: Origin
  /** From the origin's lines to the copy's. */
  format: Format
}

/** The survey's source: what is known of it already, or the best there is, with what is not in it any more. */
const surveyed = async (
  { context }: Hold,
  { survey, format }: CopyRecord,
  file: FileRecord,
): Promise<{ source: Source; survey: CopyRecord['survey'] }> => {
  const wanted = format ?? 'openai'
  if (survey.origin) return { source: sourceAt(file, survey.origin, wanted), survey: structuredClone(survey) }
  const { losses, loss_count, ...origin } = await findOrigin(context, file, wanted)
  return {
    source: sourceAt(file, origin, wanted),
    survey: structuredClone({ ...survey, origin, losses, loss_count }),
  }
}

const sourceAt = (file: FileRecord, origin: Origin, wanted: DatasetFormat): Source => ({
  file,
  origin,
  format: formatFrom(origin.form, wanted),
})

/** The source from a byte on. @throws {SourceChanged} when it is not where it was */
const openSource = async (context: Context, { file, origin }: Source, from: number) => {
  const opened = await openOrigin(context, file, origin, from)
  if (!opened) throw new SourceChanged()
  return opened.body
}

/** Where a copy is sent in parts: beyond what is done in one step, where the provider takes parts. */
const transferOf = ({ context, connection }: Hold, file: FileRecord): Transfers | undefined =>
  file.bytes > context.config.copying.stepBytes ? connection.provider.files.transfer : undefined

const describe = ({ line, path, message }: LineLoss) => `line ${line}: ${path ? `${path} ` : ''}${message}`
/** Losses named in a refusal. */
const MOST_NAMED = 10

/** What was lost, as the refusal of a request. */
export const lossRefusal = ({ survey, format }: CopyRecord, param: string): ApiError =>
  badRequest(
    param,
    `The dataset cannot be carried over into the format '${format}' (drop_params leaves out what cannot): ` +
      survey.losses.slice(0, MOST_NAMED).map(describe).join('; ') +
      (survey.loss_count > MOST_NAMED ? `; and ${survey.loss_count - MOST_NAMED} more.` : '.'),
    'invalid_dataset',
  )

/** Refuses what the provider would, or what nobody agreed to, before a byte is sent. */
const judge = ({ connection: { provider } }: Hold, copy: CopyRecord): void => {
  const { loss_count, examples, bytes } = copy.survey
  if (loss_count > 0 && !copy.drop_params) throw lossRefusal(copy, copy.param)
  if (examples === 0)
    throw badRequest(copy.param, 'Nothing is left of the dataset to train on.', 'invalid_dataset')
  const limit = provider.capabilities.maxFileBytes
  if (bytes > limit) {
    throw badRequest(
      copy.param,
      `The file has ${bytes} bytes as '${provider.id}' needs it, which takes up to ${limit}.`,
    )
  }
}

/** Passes a body on and shows signs of life while it moves. */
const heartbeat = ({ context, copy }: Hold): TransformStream<Uint8Array, Uint8Array> => {
  const beat = signOfLife(context, () => save(context, copy, {}))
  return new TransformStream({
    async transform(chunk, controller) {
      await beat()
      controller.enqueue(chunk)
    },
  })
}

/** All in one request. */
const copyWhole = async (hold: Hold, file: FileRecord): Promise<CopyRecord> => {
  const { context, connection, copy } = hold
  const { provider, channel } = connection
  const { source, survey: before } = await surveyed(hold, copy, file)
  const open = async () => (await openSource(context, source, 0)).pipeThrough(heartbeat(hold))
  const found = await survey(await open(), source.format)
  const whole = { ...before, bytes: found.bytes, examples: found.examples }
  addLosses(whole, found.losses, found.lossCount)
  judge(hold, { ...copy, survey: whole })
  const { id } = await provider.files.upload(channel, {
    name: copy.name,
    purpose: copy.purpose,
    size: found.bytes,
    open: async () => (await open()).pipeThrough(convert(source.format)),
  })
  return save(context, copy, { ...done(id), survey: whole }).catch(async error => {
    // Nobody will ever ask for it under this name.
    await provider.files.delete(channel, id).catch(() => undefined)
    throw error
  })
}

const addLosses = (survey: CopyRecord['survey'], losses: LineLoss[], count: number): void => {
  survey.losses.push(...losses.slice(0, MOST_LOSSES - survey.losses.length))
  survey.loss_count += count
}

/** Of a finished copy its parts are of no more use. */
const done = (native_id: string) =>
  ({ state: 'done', native_id, session: null, failures: 0, error: null, due_at: null }) as const

/** Parts of a copy from one on, until the step has done its share. */
async function* partsWithin(
  { context, memory }: Hold,
  source: Source,
  start: PartStart,
  partBytes: number,
): AsyncGenerator<Cut & { isShareDone: boolean }> {
  const { stepBytes, stepSeconds } = context.config.copying
  const end = context.platform.clock.now() + stepSeconds * 1000
  let bytes = 0
  const chunks = context.platform.chunks(await openSource(context, source, start.source))
  if (memory.part?.length !== partBytes) memory.part = new Uint8Array(partBytes)
  for await (const cut of cutParts(chunks, source.format, start, memory.part)) {
    bytes += cut.bytes.length
    yield { ...cut, isShareDone: bytes >= stepBytes || context.platform.clock.now() >= end }
  }
}

const partBytesOf = ({ context }: Hold, { partBytes: { least, most, unit } }: Transfers): number => {
  const { partBytes } = context.config.copying
  return Math.min(most, Math.max(least, Math.ceil(partBytes / unit) * unit))
}

/** Reads the dataset once, to know what its conversion gives before anything is sent. */
const surveyParts = async (hold: Hold, file: FileRecord, transfer: Transfers): Promise<CopyRecord> => {
  const { context, copy } = hold
  const { source, survey: found } = await surveyed(hold, copy, file)
  // The parts keep their size though the configuration may change.
  found.part_bytes ||= partBytesOf(hold, transfer)
  const checksum = transfer.proof === 'whole' ? new RunningChecksum(found.checksum) : undefined
  for await (const cut of partsWithin(hold, source, found.next, found.part_bytes)) {
    checksum?.add(cut.bytes)
    if (cut.bytes.length > 0) found.parts.push({ ...found.next, md5: md5Of(cut.bytes) })
    found.next = cut.next
    found.bytes += cut.bytes.length
    found.examples += cut.examples
    addLosses(found, cut.losses, cut.losses.length)
    if (cut.isShareDone)
      return save(context, copy, { failures: 0, survey: { ...found, checksum: checksum?.state ?? null } })
  }
  const whole = { ...found, checksum: null, md5: checksum?.end() ?? null }
  judge(hold, { ...copy, survey: whole })
  return save(context, copy, { state: 'sending', survey: whole })
}

const surveying: Step = async hold => {
  const file = await contentFile(hold.context, hold.copy)
  const transfer = transferOf(hold, file)
  return transfer ? surveyParts(hold, file, transfer) : copyWhole(hold, file)
}

const transferFile = ({ name, purpose, survey: { bytes, md5 } }: CopyRecord): TransferFile => ({
  name,
  purpose,
  size: bytes,
  md5,
})

const transferAt = ({ connection }: Hold): Transfers => {
  const { transfer } = connection.provider.files
  if (transfer) return transfer
  throw new Error(`'${connection.provider.id}' takes no parts.`)
}

/** Opens the session, which nobody else can know of before it is saved. */
const openSession = async (hold: Hold): Promise<CopyRecord> => {
  const { context, connection, copy } = hold
  const transfer = transferAt(hold)
  const session = await transfer.start(connection.channel, transferFile(copy))
  return save(context, copy, { session, sent: 0 }).catch(async error => {
    await transfer.abort(connection.channel, session).catch(() => undefined)
    throw error
  })
}

const sending: Step = async hold => {
  const { context, connection } = hold
  const transfer = transferAt(hold)
  let copy = hold.copy.session ? hold.copy : await openSession(hold)
  const { parts, part_bytes } = copy.survey
  const { source } = await surveyed(hold, copy, await contentFile(context, copy))
  const first = parts[copy.sent]
  let isRepeat = hold.isTakenOver
  let offset = copy.sent * part_bytes
  if (first) {
    for await (const cut of partsWithin({ ...hold, copy }, source, first, part_bytes)) {
      if (cut.bytes.length === 0) break
      const md5 = md5Of(cut.bytes)
      if (md5 !== parts[copy.sent]?.md5) throw new SourceChanged()
      const part = { number: copy.sent + 1, offset, bytes: cut.bytes, md5, isRepeat }
      const session = await transfer.part(connection.channel, copy.session ?? {}, transferFile(copy), part)
      copy = await save(context, copy, { session, sent: copy.sent + 1, failures: 0 })
      isRepeat = false
      offset += cut.bytes.length
      if (cut.isShareDone && copy.sent < parts.length) return copy
    }
  }
  if (copy.sent !== parts.length) throw new SourceChanged()
  return save(context, copy, { state: 'finishing' })
}

const finishing: Step = async hold => {
  const { context, connection, copy } = hold
  const { id } = await transferAt(hold).finish(connection.channel, copy.session ?? {}, transferFile(copy))
  return save(context, copy, { ...done(id), survey: { ...copy.survey, parts: [] } }).catch(async error => {
    await connection.provider.files.delete(connection.channel, id).catch(() => undefined)
    throw error
  })
}

const isGone = (error: unknown) => error instanceof ProviderFault && error.status === 404

/** Ends the upload session, if there is one. */
export const abortSession = async ({ connection }: Hold, copy: CopyRecord): Promise<void> => {
  if (copy.session) await connection.provider.files.transfer?.abort(connection.channel, copy.session)
}

const deleting: Step = async hold => {
  const { context, connection, copy } = hold
  await abortSession(hold, copy)
  if (copy.native_id !== null) {
    await connection.provider.files.delete(connection.channel, copy.native_id).catch((error: unknown) => {
      if (!isGone(error)) throw error
    })
  }
  await COPIES.delete(context.platform.store, copy.id)
  return { ...copy, session: null, native_id: null }
}

/** The step of each state that has one. */
export const COPY_STEPS: Partial<Record<CopyRecord['state'], Step>> = {
  surveying,
  sending,
  finishing,
  deleting,
}

/** A copy whose parts are to be sent anew, or that is to be read anew as well. */
export const restarted = (copy: CopyRecord, isSourceNew: boolean): Partial<CopyRecord> => ({
  ...(isSourceNew ? { state: UNTOUCHED.state, survey: UNTOUCHED.survey } : { state: 'sending' as const }),
  session: null,
  sent: 0,
  restarts: copy.restarts + 1,
})
