import { expect, it, onTestFinished, vi } from 'vitest'
import { createS3Bucket } from '../../shared/platform/index.ts'
import { utf8 } from './support/bytes.ts'

it('an answer that stops in the middle is given up like none, and asked for again', async () => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  let calls = 0
  const asked = Promise.withResolvers<void>()
  const bucket = createS3Bucket({
    settings: async () => ({
      url: 'https://s3.example.com',
      bucket: 'bucket',
      region: 'us-east-1',
      accessKeyId: 'AKIAEXAMPLE',
      secretAccessKey: 'secret',
    }),
    async fetch(_request, init) {
      if (++calls > 1) return new Response('<ListBucketResult></ListBucketResult>')
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          controller.enqueue(utf8('<ListBucket'))
          init?.signal?.addEventListener('abort', () => controller.error(init.signal?.reason))
          asked.resolve()
        },
      })
      return new Response(body)
    },
    clock: { now: () => Date.now(), sleep: async () => undefined },
  })
  const listed = bucket.list('files/')
  await asked.promise
  await vi.advanceTimersByTimeAsync(60_000)
  expect(await listed).toEqual({ objects: [], hasMore: false })
  expect(calls).toBe(2)
})
