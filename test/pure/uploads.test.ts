import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { tick } from '../../functions/schedule.ts'
import {
  addPart,
  cancelUpload,
  completeUpload,
  createUpload,
  deleteFile,
  findFile,
  getUpload,
  listFiles,
  readFile,
} from '../../shared/datasets/index.ts'
import type { UploadRequest } from '../../shared/openai/index.ts'
import { readAll, utf8 } from './support/bytes.ts'
import { startBench } from './support/context.ts'

const OWNER = 'owner'
const HOUR = 3600
const MINUTE = 60

const start = () => {
  const { context, platform } = startBench(() => new Response())
  const { bucket, store, clock } = platform
  const create = (bytes: number, more: Partial<UploadRequest> = {}) =>
    createUpload(context, OWNER, {
      filename: 'data.bin',
      purpose: 'batch',
      bytes,
      mime_type: 'application/octet-stream',
      ...more,
    })
  const part = async (id: string, content: string | Uint8Array<ArrayBuffer>, name = 'data') => {
    const body = new FormData()
    body.append(name, new File([content], 'part'))
    return addPart(context, OWNER, id, new Request('http://gateway.test/', { method: 'POST', body }))
  }
  return {
    context,
    bucket,
    store,
    create,
    part,
    complete: (id: string, part_ids?: string[], md5?: string) =>
      completeUpload(context, OWNER, id, {
        ...(part_ids && { part_ids }),
        ...(md5 !== undefined && { md5 }),
      }),
    cancel: (id: string) => cancelUpload(context, OWNER, id),
    get: (id: string) => getUpload(context, OWNER, id),
    files: async () => (await listFiles(context, OWNER, { limit: 100 })).items,
    keys: () => [...bucket.objects.keys()],
    content: async (id: string) =>
      new TextDecoder().decode(
        await readAll((await readFile(context, await findFile(context, OWNER, id))).body),
      ),
    elapse(seconds: number) {
      clock.time += seconds * 1000
    },
    tick: () => tick(context),
  }
}
const md5 = (text: string) => createHash('md5').update(text).digest('hex')
const refusal = async (call: Promise<unknown>) => {
  const error: unknown = await call.then(
    () => expect.fail('It was not refused.'),
    (thrown: unknown) => thrown,
  )
  return error
}

const line = JSON.stringify({
  messages: [
    { role: 'user', content: 'wo ist mein Päckchen 🚲' },
    { role: 'assistant', content: 'b' },
  ],
})
const DATASET = `${line}\n`.repeat(12)

describe('an upload in parts', () => {
  it('is the parts in the order in which completing names them, whatever the order in which they came', async () => {
    const { create, part, complete, content, files, keys, bucket } = start()
    const { id, status, expires_at, created_at } = await create(11)
    expect([status, expires_at - created_at]).toEqual(['pending', HOUR])
    const world = await part(id, 'world')
    const hello = await part(id, 'hello ')
    const done = await complete(id, [hello.id, world.id], md5('hello world').toUpperCase())
    expect(done).toMatchObject({
      id,
      status: 'completed',
      file: { bytes: 11, filename: 'data.bin', purpose: 'batch' },
    })
    expect(await content(done.file?.id ?? '')).toBe('hello world')
    const [file] = await files()
    expect(file?.sha256).toBe(createHash('sha256').update('hello world').digest('hex'))
    // The parts are the file: nothing was copied.
    expect(file?.segments.map(({ key }) => key)).toEqual(keys().toReversed())
    expect(bucket.uploads).toEqual([])
  })

  it('is not read when nothing is to be learned from it', async () => {
    const { create, part, complete, bucket } = start()
    const { id } = await create(1)
    const { id: partId } = await part(id, 'x')
    bucket.get = () => expect.fail('It was read.')
    expect(await complete(id, [partId])).toMatchObject({ status: 'completed' })
  })

  it('is checked as the dataset that it is, though a character is cut in two', async () => {
    const { create, part, complete, files } = start()
    const bytes = utf8(DATASET)
    const cut = bytes.indexOf(0xc3) + 1
    const { id } = await create(bytes.length, { purpose: 'fine-tune' })
    const parts = [await part(id, bytes.slice(0, cut)), await part(id, bytes.slice(cut))]
    await complete(
      id,
      parts.map(each => each.id),
    )
    expect(await files()).toMatchObject([{ examples: 12, purpose: 'fine-tune' }])
  })

  it('of a bad dataset is refused and stays open: another part can stand in', async () => {
    const { create, part, complete, files, keys } = start()
    const { id } = await create(utf8(DATASET).length, { purpose: 'fine-tune' })
    const bad = await part(id, DATASET.replace('"user"', '"USER"'))
    expect(await refusal(complete(id, [bad.id]))).toMatchObject({ code: 'invalid_dataset', status: 400 })
    expect(await files()).toEqual([])
    const good = await part(id, DATASET)
    await complete(id, [good.id])
    expect(await files()).toMatchObject([{ examples: 12 }])
    expect(keys()).toHaveLength(1)
  })

  it('lets the file live as long as was asked for', async () => {
    const { create, part, complete, elapse } = start()
    const { id } = await create(1, { expires_after: { anchor: 'created_at', seconds: 7200 } })
    const { id: partId } = await part(id, 'x')
    elapse(10)
    const { file } = await complete(id, [partId])
    expect((file?.expires_at ?? 0) - (file?.created_at ?? 0)).toBe(7200)
  })

  it('of more than a file may have is refused', async () => {
    const { create, context } = start()
    const limit = context.config.limits.file
    expect(await refusal(create(limit + 1))).toMatchObject({
      status: 400,
      param: 'bytes',
      message: expect.stringContaining(String(limit)),
    })
  })
})

describe('completing is refused for', () => {
  const uploaded = async () => {
    const bench = start()
    const { id } = await bench.create(6)
    const one = await bench.part(id, 'one')
    const two = await bench.part(id, 'two')
    return { ...bench, id, one: one.id, two: two.id }
  }
  type Uploaded = Awaited<ReturnType<typeof uploaded>>
  const rows: [what: string, call: (bench: Uploaded) => Promise<unknown>, error: object][] = [
    [
      'no parts named',
      ({ complete, id }) => complete(id),
      { param: 'part_ids', code: 'missing_required_parameter' },
    ],
    [
      'a part that never was',
      ({ complete, id, one }) => complete(id, [one, 'part_none']),
      { param: 'part_ids[1]', message: /part_none/ },
    ],
    [
      'a part named twice',
      ({ complete, id, one }) => complete(id, [one, one]),
      { param: 'part_ids[1]', message: /twice/ },
    ],
    [
      'too few bytes',
      ({ complete, id, one }) => complete(id, [one]),
      { param: 'part_ids', message: /3 bytes.* 6/ },
    ],
    [
      'another MD5',
      ({ complete, id, one, two }) => complete(id, [one, two], md5('twoone')),
      { param: 'md5' },
    ],
    [
      "another upload's part",
      async ({ complete, create, part, id, one }) => {
        const other = await create(3)
        return complete(id, [one, (await part(other.id, 'two')).id])
      },
      { param: 'part_ids[1]' },
    ],
  ]
  it.each(rows)('%s, and nothing has changed', async (_what, call, error) => {
    const bench = await uploaded()
    expect(await refusal(call(bench))).toMatchObject({
      status: 400,
      ...Object.fromEntries(
        Object.entries(error).map(([key, value]) => [
          key,
          value instanceof RegExp ? expect.stringMatching(value) : value,
        ]),
      ),
    })
    expect(await bench.files()).toEqual([])
    await bench.complete(bench.id, [bench.one, bench.two], md5('onetwo'))
    expect(await bench.files()).toHaveLength(1)
  })
})

describe('a part', () => {
  it.each([
    ['empty', (id: string, { part }: ReturnType<typeof start>) => part(id, ''), 'data'],
    ['under another name', (id: string, { part }: ReturnType<typeof start>) => part(id, 'x', 'file'), 'file'],
    [
      'that is a field',
      (id: string, { context }: ReturnType<typeof start>) => {
        const body = new FormData()
        body.append('data', 'x')
        return addPart(context, OWNER, id, new Request('http://gateway.test/', { method: 'POST', body }))
      },
      'data',
    ],
  ])('%s is refused, and nothing is left of it', async (_what, send, param) => {
    const bench = start()
    const { id } = await bench.create(1)
    expect(await refusal(send(id, bench))).toMatchObject({ status: 400, param })
    expect(bench.keys()).toEqual([])
  })

  it('that breaks off leaves nothing, however much of it had been stored', async () => {
    const { context, create, bucket, keys } = start()
    const { id } = await create(1)
    const head = utf8('--b\r\nContent-Disposition: form-data; name="data"; filename="x"\r\n\r\n')
    let left = 8
    const body = new ReadableStream<Uint8Array>({
      start: controller => controller.enqueue(head),
      pull(controller) {
        if (left-- > 0) controller.enqueue(new Uint8Array(1024 * 1024))
        else controller.error(new Error('The client has gone.'))
      },
    })
    const request = new Request('http://gateway.test/', {
      method: 'POST',
      headers: { 'content-type': 'multipart/form-data; boundary=b' },
      body,
      duplex: 'half',
    } as RequestInit)
    expect(await refusal(addPart(context, OWNER, id, request))).toMatchObject({
      code: 'invalid_multipart',
      param: 'data',
    })
    expect(bucket.uploads.map(({ state }) => state)).toEqual(['aborted'])
    expect(keys()).toEqual([])
  })

  it.each(['cancelled', 'completed', 'expired'])(
    'that is late, the upload being %s, is refused and gone',
    async state => {
      const { create, part, complete, cancel, bucket, elapse, keys } = start()
      const { id } = await create(1)
      const first = await part(id, 'x')
      const end = {
        cancelled: () => cancel(id),
        completed: () => complete(id, [first.id]),
        expired: async () => elapse(HOUR),
      }[state]
      // The upload ends while the part is being written.
      const put = bucket.put
      bucket.put = async (key, bytes) => {
        await put(key, bytes)
        bucket.put = put
        await end?.()
      }
      expect(await refusal(part(id, 'late'))).toMatchObject({ code: 'invalid_state', status: 400 })
      expect(await refusal(part(id, 'later still'))).toMatchObject({ code: 'invalid_state' })
      expect(keys()).toHaveLength(state === 'cancelled' ? 0 : 1)
    },
  )

  it('that has arrived is named and made a file of before its answer: it stays', async () => {
    const { create, part, complete, get, content, bucket } = start()
    const { id } = await create(5)
    const { put } = bucket
    let file = ''
    bucket.put = async (key, bytes) => {
      await put(key, bytes)
      // Someone else of the client's asks what is there, and ends the upload.
      const parts = (await get(id)).tunegate?.parts ?? []
      file =
        (
          await complete(
            id,
            parts.map(each => each.id),
          )
        ).file?.id ?? ''
    }
    expect(await part(id, 'hello')).toMatchObject({ upload_id: id })
    expect(await content(file)).toBe('hello')
  })

  it('of which there are too many is refused', async () => {
    const { create, part, bucket, get } = start()
    const { id } = await create(1)
    for (let n = 0; n < 1000; n++) bucket.objects.set(`uploads/${OWNER}/${id}/part_${n}`, utf8('x'))
    expect(await refusal(part(id, 'x'))).toMatchObject({
      param: 'data',
      message: expect.stringContaining('1000'),
    })
    expect((await get(id)).tunegate?.parts).toHaveLength(1000)
  })

  it('beyond the bytes of all parts that an upload may have is refused', async () => {
    const { context, platform } = startBench(() => new Response(), { limits: { jsonBody: 1000, file: 10 } })
    const { id } = await createUpload(context, OWNER, {
      filename: 'x',
      purpose: 'batch',
      bytes: 10,
      mime_type: 'x',
    })
    platform.bucket.objects.set(`uploads/${OWNER}/${id}/part_1`, new Uint8Array(70_000))
    const body = new FormData()
    body.append('data', new File(['x'], 'x'))
    const call = addPart(context, OWNER, id, new Request('http://gateway.test/', { method: 'POST', body }))
    expect(await refusal(call)).toMatchObject({
      param: 'data',
      message: expect.stringContaining('of up to 10'),
    })
  })
})

describe('an interrupted upload', () => {
  it('is asked what has arrived, in the order it came, and goes on', async () => {
    const { create, part, get, complete, elapse, content } = start()
    const { id } = await create(9)
    const first = await part(id, 'one')
    elapse(1)
    const second = await part(id, 'three')
    const { tunegate, ...upload } = await get(id)
    expect(upload).toMatchObject({ id, status: 'pending' })
    expect(tunegate).toEqual({
      parts: [
        { id: first.id, bytes: 3, has_arrived: true },
        { id: second.id, bytes: 5, has_arrived: true },
      ],
    })
    const last = await part(id, '!')
    const { file } = await complete(id, [first.id, second.id, last.id])
    expect(await content(file?.id ?? '')).toBe('onethree!')
    expect(await get(id)).toMatchObject({ status: 'completed', file: { id: file?.id } })
    expect((await get(id)).tunegate).toBeUndefined()
  })

  it('that is never taken up again expires, and is swept', async () => {
    const { create, part, complete, get, cancel, elapse, tick, keys } = start()
    const { id } = await create(1)
    const one = await part(id, 'x')
    elapse(HOUR)
    expect(await get(id)).toMatchObject({ status: 'expired' })
    for (const call of [() => complete(id, [one.id]), () => cancel(id), () => part(id, 'x')])
      expect(await refusal(call())).toMatchObject({
        code: 'invalid_state',
        message: expect.stringContaining('expired'),
      })
    await tick()
    expect(keys()).toHaveLength(1)
    elapse(15 * MINUTE)
    await tick()
    expect(keys()).toEqual([])
    expect(await get(id)).toMatchObject({ id, status: 'expired' })
  })

  it('of which a part turns up late is looked at once more', async () => {
    const { create, bucket, elapse, tick, keys, store } = start()
    const { id } = await create(1)
    elapse(HOUR + 15 * MINUTE)
    await tick()
    bucket.objects.set(`uploads/${OWNER}/${id}/part_late`, utf8('x'))
    elapse(12 * HOUR)
    await tick()
    expect(keys()).toHaveLength(1)
    elapse(12 * HOUR)
    await tick()
    expect(keys()).toEqual([])
    // And never again.
    const asked = store.queries.length
    bucket.list = () => expect.fail('It was looked at.')
    elapse(1000 * HOUR)
    await tick()
    expect(store.queries.length).toBeGreaterThan(asked)
  })
})

describe('completing', () => {
  it('takes the parts that no one named along', async () => {
    const { create, part, complete, keys, content } = start()
    const { id } = await create(3)
    await part(id, 'sent twice')
    const kept = await part(id, 'one')
    await part(id, 'forgotten')
    const { file } = await complete(id, [kept.id])
    expect(keys()).toEqual([`uploads/${OWNER}/${id}/${kept.id}`])
    expect(await content(file?.id ?? '')).toBe('one')
  })

  it('again answers the same, and makes no second file; otherwise it is refused', async () => {
    const { create, part, complete, cancel, files } = start()
    const { id } = await create(3)
    const one = await part(id, 'one')
    const first = await complete(id, [one.id])
    expect(await complete(id, [one.id])).toEqual(first)
    expect(await files()).toHaveLength(1)
    expect(await refusal(complete(id, [one.id], md5('other')))).toMatchObject({ code: 'invalid_state' })
    expect(await refusal(cancel(id))).toMatchObject({
      code: 'invalid_state',
      message: expect.stringContaining('completed'),
    })
    expect(await files()).toHaveLength(1)
  })

  it('twice at once makes one file', async () => {
    const { create, part, complete, files } = start()
    const { id } = await create(3)
    const one = await part(id, 'one')
    const all = await Promise.all(Array.from({ length: 5 }, () => complete(id, [one.id], md5('one'))))
    expect(new Set(all.map(({ file }) => file?.id)).size).toBe(1)
    expect(await files()).toHaveLength(1)
  })

  it('against cancelling has one winner', async () => {
    for (const gap of [0, 1, 2, 3, 5, 8, 13, 21]) {
      const { create, part, complete, cancel, get, files, keys } = start()
      const { id } = await create(3)
      const one = await part(id, 'one')
      const turns = async () => {
        for (let turn = 0; turn < gap; turn++) await Promise.resolve()
      }
      const outcomes = await Promise.allSettled([
        complete(id, [one.id], md5('one')),
        turns().then(() => cancel(id)),
      ])
      const won = outcomes.filter(({ status }) => status === 'fulfilled')
      expect(won).toHaveLength(1)
      for (const outcome of outcomes)
        if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'invalid_state' })
      const { status } = await get(id)
      expect(await files()).toHaveLength(status === 'completed' ? 1 : 0)
      expect(keys()).toHaveLength(status === 'completed' ? 1 : 0)
    }
  })

  it('while the parts are being taken away by a cancellation says that it was cancelled', async () => {
    const { create, part, complete, cancel, bucket } = start()
    const { id } = await create(6)
    const parts = [await part(id, 'one'), await part(id, 'two')]
    const get = bucket.get
    bucket.get = async (key, from) => {
      bucket.get = get
      await cancel(id)
      return get(key, from)
    }
    const call = complete(
      id,
      parts.map(each => each.id),
      md5('onetwo'),
    )
    expect(await refusal(call)).toMatchObject({
      code: 'invalid_state',
      message: expect.stringContaining('cancelled'),
    })
  })

  it('of a file that has since been deleted answers without it, and brings nothing back', async () => {
    const { context, create, part, complete, files, keys, elapse, tick } = start()
    const { id } = await create(3)
    const one = await part(id, 'one')
    const { file } = await complete(id, [one.id])
    await deleteFile(context, await findFile(context, OWNER, file?.id ?? ''))
    expect((await complete(id, [one.id])).file).toBeUndefined()
    elapse(26 * HOUR)
    await tick()
    expect([await files(), keys()]).toEqual([[], []])
  })
})

describe('a crash', () => {
  /** Lets the n-th write (of records and objects together) fail, and every one after it. */
  const crashAt = (bench: ReturnType<typeof start>, n: number) => {
    const { store, bucket } = bench
    const [put, list, remove] = [store.put, bucket.list, bucket.delete]
    let writes = 0
    const step = () => {
      if (++writes >= n) throw new Error('crashed')
    }
    store.put = async (...args) => {
      step()
      return put(...args)
    }
    bucket.delete = async (...keys) => {
      step()
      return remove(...keys)
    }
    bucket.list = list
    return () => {
      store.put = put
      bucket.delete = remove
      return writes < n
    }
  }
  const uploaded = async () => {
    const bench = start()
    const { id } = await bench.create(3)
    await bench.part(id, 'sent twice')
    const { id: partId } = await bench.part(id, 'one')
    return { ...bench, id, partId }
  }

  it.each(['the client', 'the schedule'])('anywhere in completing is made good by %s', async who => {
    for (let n = 1; ; n++) {
      const bench = await uploaded()
      const restart = crashAt(bench, n)
      const crashed = await bench.complete(bench.id, [bench.partId]).then(
        () => false,
        () => true,
      )
      const isThrough = restart()
      expect(crashed).toBe(!isThrough)
      if (who === 'the schedule') {
        await bench.tick()
        // Already now, before anyone asks for the upload.
        expect(await bench.files()).toHaveLength(n === 1 ? 0 : 1)
        expect(bench.keys()).toHaveLength(n === 1 ? 2 : 1)
      }
      const { status, file } = await bench.get(bench.id)
      // Before the decision it is as if it had not been asked for.
      expect([status, (await bench.files()).length]).toEqual(n === 1 ? ['pending', 0] : ['completed', 1])
      const again = await bench.complete(bench.id, [bench.partId])
      if (file) expect(again.file).toEqual(file)
      expect(await bench.content(again.file?.id ?? '')).toBe('one')
      expect(bench.keys()).toHaveLength(1)
      if (isThrough) {
        expect(n).toBeGreaterThan(3)
        return
      }
    }
  })

  it('anywhere in cancelling leaves nothing in the end', async () => {
    for (let n = 1; ; n++) {
      const bench = await uploaded()
      const restart = crashAt(bench, n)
      await bench.cancel(bench.id).catch(() => undefined)
      const isThrough = restart()
      bench.elapse(HOUR + 15 * MINUTE)
      await bench.tick()
      expect(bench.keys()).toEqual([])
      if (isThrough) return
    }
  })

  it('in deleting the file leaves parts that the last look finds', async () => {
    const { context, create, part, complete, bucket, keys, elapse, tick } = start()
    const { id } = await create(3)
    const one = await part(id, 'one')
    const { file } = await complete(id, [one.id])
    const remove = bucket.delete
    bucket.delete = () => Promise.reject(new Error('crashed'))
    await expect(deleteFile(context, await findFile(context, OWNER, file?.id ?? ''))).rejects.toThrow(
      'crashed',
    )
    bucket.delete = remove
    expect(keys()).toHaveLength(1)
    elapse(26 * HOUR)
    await tick()
    expect(keys()).toEqual([])
  })

  it('of one upload keeps the schedule from none of the others', async () => {
    const { create, part, bucket, elapse, tick, keys } = start()
    const first = await create(1)
    await part(first.id, 'x')
    const second = await create(1)
    await part(second.id, 'x')
    elapse(HOUR + 15 * MINUTE)
    const list = bucket.list
    bucket.list = async (prefix, from) => {
      if (prefix.includes(first.id)) throw new Error('The bucket is down.')
      return list(prefix, from)
    }
    await tick()
    expect(keys()).toHaveLength(1)
    bucket.list = list
    await tick()
    expect(keys()).toEqual([])
  })
})

describe('parts that go straight to the bucket', () => {
  const direct = (bytes: number, part_size?: number) => {
    const bench = start()
    bench.bucket.presignPut = async (key, { bytes: size, seconds }) => ({
      url: `https://bucket.test/${key}?bytes=${size}&seconds=${seconds}`,
      headers: { 'if-none-match': '*' },
    })
    return {
      ...bench,
      upload: bench.create(bytes, { direct: true, ...(part_size !== undefined && { part_size }) }),
      /** What the bucket does with a PUT. */
      put: (id: string, number: number, content: string) =>
        bench.bucket.objects.set(
          `uploads/${OWNER}/${id}/part_${String(number).padStart(4, '0')}`,
          utf8(content),
        ),
    }
  }

  it('have URLs, sizes and an end', async () => {
    const { upload } = direct(10, 4)
    const { id, tunegate, expires_at } = await upload
    expect(tunegate?.parts.map(({ number, bytes }) => [number, bytes])).toEqual([
      [1, 4],
      [2, 4],
      [3, 2],
    ])
    expect(tunegate?.parts[2]).toEqual({
      id: 'part_0003',
      number: 3,
      bytes: 2,
      has_arrived: false,
      method: 'PUT',
      url: `https://bucket.test/uploads/${OWNER}/${id}/part_0003?bytes=2&seconds=3600`,
      headers: { 'if-none-match': '*' },
      expires_at,
    })
  })

  it('have 64 MiB each unless it is said otherwise', async () => {
    const { upload } = direct(200 * 1024 * 1024)
    expect((await upload).tunegate?.parts.map(({ bytes }) => bytes / 1024 / 1024)).toEqual([64, 64, 64, 8])
  })

  it('too many of them are refused, naming the least size', async () => {
    const { upload } = direct(10_000, 9)
    expect(await refusal(upload)).toMatchObject({
      param: 'part_size',
      message: expect.stringContaining('at least 10'),
    })
  })

  it('are told apart by whether they have arrived; the missing have fresh URLs', async () => {
    const { upload, get, put, elapse } = direct(6, 3)
    const { id } = await upload
    put(id, 2, 'two')
    elapse(600)
    const { tunegate } = await get(id)
    expect(tunegate?.parts).toMatchObject([
      { number: 1, has_arrived: false },
      { number: 2, has_arrived: true },
    ])
    expect(tunegate?.parts[0]?.url).toContain('seconds=3000')
    expect(tunegate?.parts[1]?.url).toBeUndefined()
  })

  it('make the file when all are there, named or not', async () => {
    for (const named of [false, true]) {
      const { upload, put, complete, content } = direct(6, 3)
      const { id, tunegate } = await upload
      put(id, 2, 'two')
      expect(await refusal(complete(id))).toMatchObject({
        param: 'part_ids',
        message: expect.stringContaining('part_0001'),
      })
      put(id, 1, 'one')
      const { file } = await complete(
        id,
        named ? tunegate?.parts.map(part => part.id) : undefined,
        md5('onetwo'),
      )
      expect(await content(file?.id ?? '')).toBe('onetwo')
    }
  })

  it('of another size than announced are refused', async () => {
    const { upload, put, complete } = direct(6, 3)
    const { id } = await upload
    put(id, 1, 'one')
    put(id, 2, 'long')
    expect(await refusal(complete(id))).toMatchObject({
      message: expect.stringContaining('4 bytes in place of 3'),
    })
  })

  it('are not taken by the gateway', async () => {
    const { upload, part } = direct(6, 3)
    const { id } = await upload
    expect(await refusal(part(id, 'one'))).toMatchObject({ code: 'invalid_state', status: 400 })
  })

  it('are swept like others', async () => {
    const { upload, put, elapse, tick, keys } = direct(6, 3)
    put((await upload).id, 1, 'one')
    elapse(HOUR + 15 * MINUTE)
    await tick()
    expect(keys()).toEqual([])
  })

  it('need a deployment that has URLs: else it is said what is missing, and nothing is begun', async () => {
    const { create, store } = start()
    const put = store.put
    store.put = () => expect.fail('Something was begun.')
    expect(await refusal(create(6, { direct: true }))).toMatchObject({
      status: 400,
      code: 'feature_unsupported',
      param: 'direct',
      message: expect.stringContaining('BUCKET_S3_URL'),
    })
    store.put = put
  })
})

describe('an upload is its owner’s', () => {
  it('whoever else asks', async () => {
    const { context, create, part } = start()
    const { id } = await create(1)
    const { id: partId } = await part(id, 'x')
    const body = new FormData()
    body.append('data', new File(['x'], 'x'))
    const calls = [
      () => getUpload(context, 'other', id),
      () => cancelUpload(context, 'other', id),
      () => completeUpload(context, 'other', id, { part_ids: [partId] }),
      () => addPart(context, 'other', id, new Request('http://gateway.test/', { method: 'POST', body })),
    ]
    for (const call of calls)
      expect(await refusal(call())).toMatchObject({
        status: 404,
        code: 'upload_not_found',
        param: 'upload_id',
      })
  })
})
