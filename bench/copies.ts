/**
 * A large dataset on its way to a provider that is slow to take it: does workerd's memory stay flat while it is read, converted,
 * cut and sent, and does the whole arrive?
 *
 * @module
 */
import type { Bed } from './boot.ts'
import { MEMORY_GOAL_MIB, measured, synthesize, uploadToGateway } from './files.ts'
import { spread } from './load.ts'
import type { Row } from './report.ts'
import { requestBytes, Wire } from './wire.ts'

const FULL_MB = 1000
const QUICK_MB = 150
/** More than one has to wait for its copy; each is told when to ask again. */
const MOST_TRIES = 100

async function createJob({ gateway }: Bed, file: string): Promise<void> {
  const body = Buffer.from(JSON.stringify({ model: 'gpt-4.1-mini', training_file: file }))
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const wire = await Wire.open(gateway.port)
    const answer: Buffer[] = []
    try {
      const head = requestBytes(
        'POST',
        '/v1/fine_tuning/jobs',
        { authorization: gateway.authorization, 'content-type': 'application/json' },
        { length: body.length },
      )
      const { status } = await wire.exchange(head, { body: bytes => answer.push(Buffer.from(bytes)) }, [body])
      if (status === 200) return
      if (status !== 503)
        throw new Error(`the job was answered ${status}: ${Buffer.concat(answer).toString().slice(0, 500)}`)
    } finally {
      wire.leave()
    }
  }
  throw new Error('the copy never ended')
}

/** Measures the copy of a dataset in parts; a small one goes first, so that only the size makes a difference. */
export async function copies(start: () => Promise<Bed>, quick: boolean): Promise<Row[]> {
  const megabytes = quick ? QUICK_MB : FULL_MB
  const bed = await start()
  try {
    const upload = async (size: number) => {
      const file = synthesize('fine-tune', size)
      const path = await uploadToGateway(bed.gateway, 'fine-tune', file)
      return { file, id: path.replace('/v1/files/', '') }
    }
    const warm = await upload(80)
    await createJob(bed, warm.id)
    const { file, id } = await upload(megabytes)
    const { megabytesPerSecond, cpuPerGigabyte, memory } = await measured(bed, file.bytes, () =>
      createJob(bed, id),
    )
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
    const name = `copy ${megabytes} MB in parts to a provider that reads 40 MB/s`
    return [
      row(name, 'MB/s', megabytesPerSecond),
      row(`${name}: memory growth`, 'MiB', memory?.growth, MEMORY_GOAL_MIB),
      row(`${name}: CPU`, 's/GB', cpuPerGigabyte),
    ]
  } finally {
    await bed.stop()
  }
}
