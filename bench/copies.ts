/**
 * A large dataset on its way to a provider that is slow to take it, and one on its way in from an address: does workerd's memory stay
 * flat while it is read, converted, cut and sent, and does the whole arrive?
 *
 * @module
 */
import type { Bed } from './boot.ts'
import { MEMORY_GOAL_MIB, measured, receive, synthesize, type Transfer, uploadToGateway } from './files.ts'
import { spread } from './load.ts'
import type { Row } from './report.ts'
import { sourcePath } from './source.ts'
import { requestBytes, Wire } from './wire.ts'

const FULL_MB = 1000
const QUICK_MB = 150
/** A small one goes first, so that only the size makes a difference; more than one step of work all the same. */
const WARM_MB = 80
/** More than one has to wait for its copy; each is told when to ask again. */
const MOST_TRIES = 100

/** Asks until what the request names is there. */
async function ask({ gateway }: Bed, path: string, file: string): Promise<void> {
  const body = Buffer.from(JSON.stringify({ model: 'gpt-4.1-mini', training_file: file }))
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const wire = await Wire.open(gateway.port)
    const answer: Buffer[] = []
    try {
      const head = requestBytes(
        'POST',
        path,
        { authorization: gateway.authorization, 'content-type': 'application/json' },
        { length: body.length },
      )
      const { status } = await wire.exchange(head, { body: bytes => answer.push(Buffer.from(bytes)) }, [body])
      if (status === 200) return
      if (status !== 503)
        throw new Error(`${path} was answered ${status}: ${Buffer.concat(answer).toString().slice(0, 500)}`)
    } finally {
      wire.leave()
    }
  }
  throw new Error('the copy never ended')
}
const createJob = (bed: Bed, file: string) => ask(bed, '/v1/fine_tuning/jobs', file)
/** An estimate needs the file, and no copy of it. */
const takeIn = (bed: Bed, uri: string) => ask(bed, '/v1/fine_tuning/estimates', uri)

/** The file that a source has become comes back as it was. */
async function compare({ gateway }: Bed, megabytes: number): Promise<void> {
  const answer = await fetch(`http://127.0.0.1:${gateway.port}/v1/files?limit=100`, {
    headers: { authorization: gateway.authorization },
  })
  const { data } = (await answer.json()) as { data: { id: string; filename: string }[] }
  const file = data.find(({ filename }) => sourcePath(megabytes).endsWith(`/${filename}`))
  await receive(gateway, `/v1/files/${file?.id}/content`, synthesize('fine-tune', megabytes))
}

/** Measures the copy of a dataset in parts, and the intake of a source in parts. */
export async function copies(start: () => Promise<Bed>, upstream: number, quick: boolean): Promise<Row[]> {
  const megabytes = quick ? QUICK_MB : FULL_MB
  const row = (name: string, unit: string, value: number | null | undefined, most?: number): Row => {
    const figure = spread([value ?? Number.NaN])
    return {
      section: 'copies',
      name,
      unit,
      gateway: figure,
      bare: spread([Number.NaN]),
      by: 'itself',
      compared: figure,
      ...(most !== undefined && { goal: { most } }),
    }
  }
  const rowsOf = (name: string, { megabytesPerSecond, cpuPerGigabyte, memory }: Transfer): Row[] => [
    row(name, 'MB/s', megabytesPerSecond),
    row(`${name}: memory growth`, 'MiB', memory?.growth, MEMORY_GOAL_MIB),
    row(`${name}: CPU`, 's/GB', cpuPerGigabyte),
  ]
  const onBed = async (work: (bed: Bed) => Promise<Transfer>): Promise<Transfer> => {
    const bed = await start()
    try {
      return await work(bed)
    } finally {
      await bed.stop()
    }
  }
  const copied = await onBed(async bed => {
    const upload = async (size: number) => {
      const file = synthesize('fine-tune', size)
      const path = await uploadToGateway(bed.gateway, 'fine-tune', file)
      return { file, id: path.replace('/v1/files/', '') }
    }
    const warm = await upload(WARM_MB)
    await createJob(bed, warm.id)
    const { file, id } = await upload(megabytes)
    return measured(bed, file.bytes, () => createJob(bed, id))
  })
  const taken = await onBed(async bed => {
    const uriOf = (size: number) => `http://127.0.0.1:${upstream}${sourcePath(size)}`
    await takeIn(bed, uriOf(WARM_MB))
    const { bytes } = synthesize('fine-tune', megabytes)
    const transfer = await measured(bed, bytes, () => takeIn(bed, uriOf(megabytes)))
    await compare(bed, megabytes)
    return transfer
  })
  return [
    ...rowsOf(`copy ${megabytes} MB in parts to a provider that reads 40 MB/s`, copied),
    ...rowsOf(`take in ${megabytes} MB in parts from an address, and check it`, taken),
  ]
}
