/** A large copy survives the end of the process that makes it. */
import { createHash } from 'node:crypto'
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { expect, it } from 'vitest'
import { itIsJudged, until, useBench } from './support/bench.ts'
import { chatLines, toJsonl } from './support/data.ts'

const bench = useBench({ config: 'test/e2e/support/small-steps.config.ts' })

const PART = /^\/v1\/uploads\/[^/]+\/parts$/

it('is gone on with after SIGKILL where it was, and is whole', async () => {
  const { client, key } = await bench.owner()
  // Six parts of 1 MiB, as test/e2e/support/small-steps.config.ts has them.
  const text = toJsonl(chatLines(36_000)).toString()
  const { id: training_file } = await client.files.create({
    file: new File([text], 'large.jsonl'),
    purpose: 'fine-tune',
  })
  const sent = bench.watch()
  const parts = () => sent().filter(({ path }) => PART.test(path))
  const { sandbox } = bench.stack
  // The fourth part never gets through: there is time to kill in.
  for (let n = 0; n < 3; n++) sandbox.fault({ path: PART.source, kind: 'slow' })
  sandbox.fault({ path: PART.source, kind: 'hang' })
  const call = client.fineTuning.jobs.create({ model: 'gpt-4.1-mini', training_file })
  const broken = expect(call).rejects.toThrow()
  await until(parts, ({ length }) => length === 4)
  await bench.stack.killGateway()
  await broken
  const record = async () => (await bench.records('copy'))[0]
  expect(await record()).toMatchObject({ state: 'sending', sent: 3 })

  await bench.stack.startGateway()
  const before = parts().length
  // Nobody asks again: the schedule finds it as soon as the dead worker's lease is over.
  await until(
    async () => {
      await bench.stack.tick()
      return record()
    },
    copy => copy?.state === 'done',
    500,
  )
  const all = Number((await bench.state()).files.items[0]?.bytes) / 2 ** 20
  expect(parts().length - before).toBe(Math.ceil(all) - 3)
  const again = await bench.client(key)
  const job = await again.fineTuning.jobs.create({ model: 'gpt-4.1-mini', training_file })
  expect(job.training_file).toBe(training_file)
  expect(parts().length - before).toBe(Math.ceil(all) - 3)

  const content = await fetch(`${sandbox.openaiBaseUrl}/files/${(await record())?.native_id}/content`, {
    headers: { authorization: `Bearer ${sandbox.apiKey}` },
  })
  const sum = (bytes: string | ArrayBuffer) =>
    createHash('sha256')
      .update(typeof bytes === 'string' ? bytes : new Uint8Array(bytes))
      .digest('hex')
  expect(sum(await content.arrayBuffer())).toBe(sum(text))
})

it('as is a source that is taken in from S3', async () => {
  const { client, key } = await bench.owner()
  const text = toJsonl(chatLines(60_000)).toString()
  const { sandbox } = bench.stack
  const { aws } = sandbox
  const s3 = new S3Client({
    endpoint: aws.s3Url,
    region: aws.region,
    forcePathStyle: true,
    credentials: { accessKeyId: aws.accessKeyId, secretAccessKey: aws.secretAccessKey },
  })
  await s3.send(new PutObjectCommand({ Bucket: aws.bucket, Key: 'shared/large.jsonl', Body: text }))
  const training_file = `s3://${aws.bucket}/shared/large.jsonl`
  const object = { method: 'GET', path: 'shared/large.jsonl$' }
  const sent = bench.watch()
  const reads = () =>
    sent().filter(({ method, path }) => method === object.method && path.endsWith('shared/large.jsonl'))
  // The first look, and a step of two parts, get through; there is time to kill in the third.
  for (let n = 0; n < 2; n++) sandbox.fault({ ...object, kind: 'slow' })
  sandbox.fault({ ...object, kind: 'hang' })
  const call = client.fineTuning.jobs.create({ model: 'gpt-4.1-mini', training_file })
  const broken = expect(call).rejects.toThrow()
  await until(reads, ({ length }) => length === 3)
  await bench.stack.killGateway()
  await broken
  const record = async () => (await bench.records('intake'))[0]
  expect(await record()).toMatchObject({ state: 'taking', parts: 2 })

  await bench.stack.startGateway()
  // Nobody asks again: the schedule finds it as soon as the dead worker's lease is over.
  await until(
    async () => {
      await bench.stack.tick()
      return record()
    },
    intake => intake === undefined,
    500,
  )
  const STEP = 2 * 2 ** 20
  const steps = Math.ceil(Buffer.byteLength(text) / STEP)
  expect(steps).toBeGreaterThan(2)
  expect(reads().map(({ headers }) => headers.range)).toEqual([
    ...[undefined, undefined, `bytes=${STEP}-`],
    ...Array.from({ length: steps - 1 }, (_, index) => `bytes=${STEP * (index + 1)}-`),
  ])
  const again = await bench.client(key)
  const job = await again.fineTuning.jobs.create({ model: 'gpt-4.1-mini', training_file })
  expect(await (await again.files.content(job.training_file)).text()).toBe(text)
})

it('that takes longer than a caller waits: the job is kept and waits for it, and it is there for the next', async () => {
  const { client } = await bench.owner()
  const { id: training_file } = await client.files.create({
    file: new File([toJsonl(chatLines(36_001))], 'large.jsonl'),
    purpose: 'fine-tune',
  })
  bench.stack.sandbox.fault({ path: PART.source, kind: 'slow', delayMs: 4000 })
  const create = () => client.fineTuning.jobs.create({ model: 'gpt-4.1-mini', training_file })
  expect(await create()).toMatchObject({ status: 'validating_files', tunegate: { native_id: null } })
  // The queue goes on by itself.
  await until(
    () => bench.records('copy'),
    copies => copies.every(({ state }) => state === 'done'),
    200,
  )
  expect((await create()).status).not.toBe('failed')
})

itIsJudged(bench)
