import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createLineReader } from '../../shared/datasets/lines.ts'
import { readForm } from '../../shared/datasets/multipart.ts'
import { ApiError } from '../../shared/openai/index.ts'
import { cutAt, cuts, everyCut, joined, NOT_UTF8, streamOf, utf8 } from '../pure/support/bytes.ts'

const BOUNDARY = '----tunegate-7f3a'
const MIB = 1024 * 1024

interface Part {
  /** The whole Content-Disposition, or a field's name. */
  disposition: string
  type?: string
  content: Uint8Array
}

const field = (name: string, value: string): Part => ({
  disposition: `form-data; name="${name}"`,
  content: utf8(value),
})
const file = (content: string | Uint8Array, filename = 'train.jsonl'): Part => ({
  disposition: `form-data; name="file"; filename="${filename}"`,
  type: 'application/jsonl',
  content: typeof content === 'string' ? utf8(content) : content,
})

const encode = (parts: Part[], { boundary = BOUNDARY, end = '--\r\n' } = {}): Uint8Array =>
  joined([
    ...parts.flatMap(({ disposition, type, content }) => [
      utf8(
        `--${boundary}\r\nContent-Disposition: ${disposition}\r\n${type ? `Content-Type: ${type}\r\n` : ''}\r\n`,
      ),
      content,
      utf8('\r\n'),
    ]),
    utf8(`--${boundary}${end}`),
  ])

interface Form {
  fields: [string, string][]
  files: { name: string; filename: string; content: Uint8Array }[]
}

const FORM_TYPE = `multipart/form-data; boundary=${BOUNDARY}`

const requestOf = (chunks: Uint8Array[], headers: Record<string, string> = {}) =>
  new Request('http://gateway.test/v1/files', {
    method: 'POST',
    body: streamOf(chunks),
    duplex: 'half',
    headers: { 'content-type': FORM_TYPE, ...headers },
  })

const read = async (request: Request, maxBytes = 64 * MIB): Promise<Form> => {
  const form: Form = { fields: [], files: [] }
  const pieces: Uint8Array[] = []
  await readForm(request, maxBytes, {
    onField: (name, value) => form.fields.push([name, value]),
    onFile: (name, filename) => form.files.push({ name, filename, content: new Uint8Array() }),
    async onFileBytes(bytes) {
      // Storing takes its time, and the bytes may be reused afterwards.
      pieces.push(bytes.slice())
      await Promise.resolve()
    },
  })
  for (const each of form.files) each.content = joined(pieces)
  return form
}

const failure = async (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'no failure',
    (error: unknown) => error,
  )

/** Where two forms differ is easier to read in text than in bytes. */
const readable = ({ fields, files }: Form) => ({
  fields,
  files: files.map(({ content, ...rest }) => ({
    ...rest,
    content: new TextDecoder('latin1').decode(content),
  })),
})

const TRICKY = {
  'line ends': '\r\n\r\n\n\r\r\n',
  dashes: '--\r\n--\r\n----',
  'the boundary without its line end': `x--${BOUNDARY}\ny`,
  'the boundary after a bare line feed': `x\n--${BOUNDARY}--\n`,
  'the start of the boundary': `\r\n--${BOUNDARY.slice(0, -1)}\r\n--${BOUNDARY.slice(0, 4)}`,
  'the start of the boundary at the very end': `abc\r\n--${BOUNDARY.slice(0, -1)}`,
  'a carriage return at the very end': 'abc\r',
  nothing: '',
  'one byte': '-',
  headers: 'Content-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n',
}

describe('readForm: any cut gives the same form', () => {
  const orders: [string, (part: Part) => Part[]][] = [
    ['purpose first', part => [field('purpose', 'fine-tune'), part]],
    ['purpose last (Portkey 5: an empty file was stored)', part => [part, field('purpose', 'fine-tune')]],
  ]
  for (const [order, arrange] of orders) {
    it.each(Object.entries(TRICKY))(`${order}, the file holding %s`, async (_, content) => {
      const body = encode(arrange(file(content)))
      const expected = {
        fields: [['purpose', 'fine-tune']],
        files: [{ name: 'file', filename: 'train.jsonl', content }],
      }
      for (const chunks of everyCut(body)) {
        expect(readable(await read(requestOf(chunks)))).toEqual(expected)
      }
    })
  }

  it.each([
    ['no line end after the closing boundary', '--'],
    ['an epilogue of line ends', '--\r\n\r\n\r\n'],
    ['an epilogue of words (RFC 2046, 5.1.1: to be ignored)', '--\r\nThe end: not a part.\r\n'],
    [
      'an epilogue that looks like more parts',
      `--\r\n${new TextDecoder().decode(encode([field('purpose', 'fine-tune'), file('other')]))}`,
    ],
    ['an epilogue that looks like a bad part', `--\r\n--${BOUNDARY}\r\n(what)\r\n\r\nx`],
  ])('closes with %s', async (_, end) => {
    const body = encode([field('purpose', 'batch'), file('abc')], { end })
    for (const chunks of everyCut(body)) {
      expect(readable(await read(requestOf(chunks)))).toEqual({
        fields: [['purpose', 'batch']],
        files: [{ name: 'file', filename: 'train.jsonl', content: 'abc' }],
      })
    }
  })

  it.each([
    'B',
    '-',
    '------------------------------',
    "a-b'()+_,./:=?z",
    'x'.repeat(70),
    'dashes-at-the-end--',
  ])('with the boundary %s', async boundary => {
    const body = encode([file('one\r\n-\r\n--\r\ntwo'), field('purpose', 'fine-tune')], { boundary })
    const headers = { 'content-type': `multipart/form-data; boundary="${boundary}"` }
    for (const chunks of everyCut(body)) {
      expect(readable(await read(requestOf(chunks, headers)))).toMatchObject({
        fields: [['purpose', 'fine-tune']],
        files: [{ content: 'one\r\n-\r\n--\r\ntwo' }],
      })
    }
  })

  const content = fc
    .array(
      fc.oneof(
        fc.constantFrom(
          '\r',
          '\n',
          '\r\n',
          '-',
          '--',
          `--${BOUNDARY}`,
          `\r\n--${BOUNDARY.slice(0, 9)}`,
          'é',
          '漢',
        ),
        fc.string({ maxLength: 20 }),
      ),
      { maxLength: 30 },
    )
    .map(pieces => pieces.join(''))
    // The boundary at the start of a line, if only as a prefix, is what a boundary may never be (RFC 2046, 5.1).
    .filter(text => !`\r\n${text}`.includes(`\r\n--${BOUNDARY}`))

  it('whatever its parts, their order and the cuts', async () => {
    const names = fc.stringMatching(/^[a-z_[\]]{1,20}$/)
    const form = fc
      .record({ before: fc.array(fc.tuple(names, content), { maxLength: 4 }), file: content })
      .chain(({ before, file: held }) =>
        fc.record({
          fields: fc.constant(before),
          place: fc.nat({ max: before.length }),
          file: fc.constant(held),
        }),
      )
    await fc.assert(
      fc.asyncProperty(form, cuts(2000), async ({ fields, place, file: held }, offsets) => {
        const parts: Part[] = fields.map(([name, value]) => field(name, value))
        parts.splice(place, 0, file(held))
        const form = await read(requestOf(cutAt(encode(parts), offsets)))
        expect(form.fields).toEqual(fields)
        expect(form.files).toEqual([{ name: 'file', filename: 'train.jsonl', content: utf8(held) }])
      }),
      { numRuns: 150 },
    )
  })

  it('whatever bytes the file is of', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 3000 }), cuts(3000), async (bytes, offsets) => {
        const [found] = (await read(requestOf(cutAt(encode([file(bytes)]), offsets)))).files
        expect(found?.content).toEqual(Uint8Array.from(bytes))
      }),
      { numRuns: 100 },
    )
  })
})

describe('readForm: names', () => {
  it.each([
    ['plain', 'filename="train.jsonl"', 'train.jsonl'],
    ['Latin', 'filename="grüße.jsonl"', 'grüße.jsonl'],
    ['beyond Latin', 'filename="训练数据.jsonl"', '训练数据.jsonl'],
    ['beyond the basic plane', 'filename="🎈.jsonl"', '🎈.jsonl'],
    ['a semicolon and an equals sign', 'filename="a;b=c.jsonl"', 'a;b=c.jsonl'],
    ['a quote as browsers and Node write it', 'filename="a%22b.jsonl"', 'a"b.jsonl'],
    ['line ends as browsers and Node write them', 'filename="a%0D%0Ab.jsonl"', 'a\r\nb.jsonl'],
    ['a quote as older curls write it', 'filename="a\\"b.jsonl"', 'a"b.jsonl'],
    ['a percent sign of its own', 'filename="100%.jsonl"', '100%.jsonl'],
    ['a backslash', 'filename="C:\\data\\t.jsonl"', 'C:\\data\\t.jsonl'],
    ['without quotes', 'filename=train.jsonl', 'train.jsonl'],
    ['encoded', "filename*=UTF-8''%e2%82%ac%20rates.jsonl", '€ rates.jsonl'],
    ['encoded, with a language', "filename*=utf-8'en'%e2%82%ac.jsonl", '€.jsonl'],
    ['both, the encoded one counting', `filename="EUR.jsonl"; filename*=UTF-8''%e2%82%ac.jsonl`, '€.jsonl'],
    ['empty', 'filename=""', ''],
  ])('of a file: %s', async (_, parameter, expected) => {
    const part = { disposition: `form-data; name="file"; ${parameter}`, content: utf8('x') }
    for (const chunks of everyCut(encode([part, field('purpose', 'batch')]))) {
      expect((await read(requestOf(chunks))).files).toEqual([
        { name: 'file', filename: expected, content: utf8('x') },
      ])
    }
  })

  it('of fields: the order of parameters, case and spaces do not matter', async () => {
    const parts = [
      { disposition: 'FORM-DATA;name=purpose', content: utf8('batch') },
      { disposition: 'form-data; filename="t.jsonl";  NAME="file"', content: utf8('x') },
      { disposition: 'form-data; name="expires_after[seconds]"', content: utf8('3600') },
      { disposition: 'form-data; name="漢字"', content: utf8('Grüße 🎈') },
    ]
    expect(readable(await read(requestOf([encode(parts)])))).toEqual({
      fields: [
        ['purpose', 'batch'],
        ['expires_after[seconds]', '3600'],
        ['漢字', 'Grüße 🎈'],
      ],
      files: [{ name: 'file', filename: 't.jsonl', content: 'x' }],
    })
  })

  it('as the platform itself encodes a form', async () => {
    // Control characters are no part of a header (RFC 9110, 5.5).
    const names = fc
      .string({ unit: 'binary', minLength: 1, maxLength: 12 })
      .filter(name => !/\p{Cc}/u.test(name))
    await fc.assert(
      fc.asyncProperty(names, async name => {
        const data = new FormData()
        data.append('purpose', 'fine-tune')
        data.append('file', new File(['abc'], name))
        const request = new Request('http://gateway.test/', { method: 'POST', body: data })
        const judged = await request.clone().formData()
        const judgedFile = judged.get('file')
        const { files } = await read(request)
        // Where the platform's own reader does not get the name back, its encoder is to blame.
        if (judgedFile instanceof File && judgedFile.name === name) {
          expect(files).toEqual([{ name: 'file', filename: name, content: utf8('abc') }])
        } else expect(files).toHaveLength(1)
      }),
      { numRuns: 200 },
    )
  })
})

describe('readForm: what is refused', () => {
  const good = [field('purpose', 'fine-tune'), file('abc')]

  const refusals: [string, () => Request, { status?: number; code?: string; message: RegExp }][] = [
    [
      'JSON',
      () => requestOf([utf8('{}')], { 'content-type': 'application/json' }),
      { message: /multipart\/form-data/ },
    ],
    [
      'a form of the other kind',
      () => requestOf([utf8('purpose=x')], { 'content-type': 'application/x-www-form-urlencoded' }),
      { message: /multipart\/form-data/ },
    ],
    [
      'multipart/mixed',
      () => requestOf([encode(good)], { 'content-type': `multipart/mixed; boundary=${BOUNDARY}` }),
      { message: /multipart\/form-data/ },
    ],
    [
      'no boundary named',
      () => requestOf([encode(good)], { 'content-type': 'multipart/form-data' }),
      { message: /multipart\/form-data|boundary/ },
    ],
    [
      'another parameter than a boundary',
      () => requestOf([encode(good)], { 'content-type': 'multipart/form-data; charset=utf-8' }),
      { message: /boundary/ },
    ],
    [
      'a boundary that is not in the body',
      () => requestOf([encode(good)], { 'content-type': 'multipart/form-data; boundary=other' }),
      { message: /ends in the middle/ },
    ],
    [
      'no body',
      () => new Request('http://gateway.test/', { method: 'POST', headers: { 'content-type': FORM_TYPE } }),
      { message: /empty/ },
    ],
    ['an empty body', () => requestOf([]), { message: /ends in the middle|empty/ }],
    ['two files', () => requestOf([encode([...good, file('def')])]), { message: /more than one file/ }],
    [
      'a part without a name',
      () => requestOf([encode([{ disposition: 'form-data', content: utf8('x') }, ...good])]),
      { message: /no name/ },
    ],
    [
      'a part that is no form-data',
      () => requestOf([encode([{ disposition: 'attachment', content: utf8('x') }, ...good])]),
      { message: /no name/ },
    ],
    [
      'headers that are none',
      () => requestOf([utf8(`--${BOUNDARY}\r\n(what)\r\n\r\nx\r\n--${BOUNDARY}--\r\n`)]),
      { message: /headers/ },
    ],
    [
      'a file name that is not encoded as it says',
      () =>
        requestOf([
          encode([{ disposition: `form-data; name="file"; filename*=UTF-8''%zz`, content: utf8('x') }]),
        ]),
      { message: /./ },
    ],
    [
      '1,000 parts',
      () => requestOf([encode(Array.from({ length: 1000 }, (_, index) => field(`f${index}`, 'x')))]),
      { message: /too many parts/ },
    ],
    [
      'a field of 100 KB',
      () => requestOf([encode([field('purpose', 'x'.repeat(100_000)), file('abc')])]),
      { message: /field is too long/ },
    ],
    ['headers of 1 MB', () => requestOf([encode([field('x'.repeat(MIB), 'y')])]), { message: /headers/ }],
    [
      'more than the limit, announced',
      () => requestOf([encode(good)], { 'content-length': String(65 * MIB) }),
      { status: 413, code: 'body_too_large', message: /67108864 bytes/ },
    ],
  ]
  it.each(refusals)('%s', async (_, make, { status = 400, code = 'invalid_multipart', message }) => {
    const error = await failure(read(make()))
    expect(error).toBeInstanceOf(ApiError)
    expect(error).toMatchObject({ status, code, param: 'file', message: expect.stringMatching(message) })
  })

  it('a form cut anywhere before its end', async () => {
    const body = encode(good, { end: '--' })
    for (let end = 0; end < body.length; end++) {
      const error = await failure(read(requestOf([body.slice(0, end)])))
      expect(error, `cut at ${end}`).toMatchObject({ status: 400, code: 'invalid_multipart' })
    }
  })

  it('a body that breaks off, its cause kept', async () => {
    const cause = new Error('reset')
    const request = new Request('http://gateway.test/', {
      method: 'POST',
      body: streamOf([encode(good).slice(0, 80)], { ending: 'error', cause }),
      duplex: 'half',
      headers: { 'content-type': FORM_TYPE },
    })
    expect(await failure(read(request))).toMatchObject({ status: 400, code: 'invalid_multipart', cause })
  })

  it('more than the limit, not announced: no more than the limit is handed on', async () => {
    let handed = 0
    const piece = new Uint8Array(64 * 1024)
    const head = encode([file('')]).slice(0, -BOUNDARY.length - 8)
    const request = requestOf([head, ...Array.from({ length: 40 }, () => piece)])
    const error = await failure(
      readForm(request, MIB, {
        onField: () => undefined,
        onFile: () => undefined,
        async onFileBytes(bytes) {
          handed += bytes.length
        },
      }),
    )
    expect(error).toMatchObject({
      status: 413,
      code: 'body_too_large',
      message: expect.stringContaining(`${MIB}`),
    })
    expect(handed).toBeLessThanOrEqual(MIB)
    expect(handed).toBeGreaterThan(0)
  })

  it('nothing of the file by quoting it: no message holds content', async () => {
    const secret = 'S3CR3T'
    const bodies = [
      encode([file(secret), file(secret)]),
      encode([{ disposition: 'form-data', content: utf8(secret) }]),
      encode([file(secret)]).slice(0, -10),
      utf8(`--${BOUNDARY}\r\n${secret} ${secret}\r\n\r\n${secret}`),
    ]
    for (const body of bodies) {
      const error = await failure(read(requestOf([body])))
      expect(error).toBeInstanceOf(ApiError)
      expect(JSON.stringify(error instanceof ApiError ? error.toBody() : error)).not.toContain(secret)
    }
  })
})

describe('readForm: what its caller throws comes out unchanged', () => {
  const body = encode([field('purpose', 'fine-tune'), file('abc'), field('later', 'x')])
  const own: [string, unknown][] = [
    ['an ApiError', new ApiError({ status: 418, code: 'invalid_value', message: 'mine' })],
    ['any other error', new TypeError('a fault of the gateway')],
  ]
  for (const [kind, thrown] of own) {
    it.each(['onField', 'onFile', 'onFileBytes'] as const)(`${kind} of %s`, async where => {
      const failing = (name: typeof where) => () => {
        if (name === where) throw thrown
      }
      for (const chunks of [[body], ...everyCut(body).slice(-1)]) {
        const work = readForm(requestOf(chunks), MIB, {
          onField: failing('onField'),
          onFile: failing('onFile'),
          onFileBytes: async () => failing('onFileBytes')(),
        })
        expect(await failure(work)).toBe(thrown)
      }
    })
  }

  it('and nothing is handed on after it', async () => {
    const calls: string[] = []
    const work = readForm(requestOf([body]), MIB, {
      onField(name) {
        calls.push(name)
        throw new Error('enough')
      },
      onFile: name => calls.push(name),
      onFileBytes: async () => {
        calls.push('bytes')
      },
    })
    await failure(work)
    expect(calls).toEqual(['purpose'])
  })
})

describe('readForm: back-pressure', () => {
  it('reads no further while the bytes are being stored', async () => {
    let pulled = 0
    const { promise: gate, resolve: release } = Promise.withResolvers<void>()
    const chunks = cutAt(
      encode([file('x'.repeat(10_000))]),
      Array.from({ length: 100 }, (_, at) => at * 100),
    )
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          const chunk = chunks[pulled++]
          if (chunk) controller.enqueue(chunk)
          else controller.close()
        },
      },
      { highWaterMark: 0 },
    )
    const request = new Request('http://gateway.test/', {
      method: 'POST',
      body,
      duplex: 'half',
      headers: { 'content-type': FORM_TYPE },
    })
    let stored = 0
    const work = readForm(request, MIB, {
      onField: () => undefined,
      onFile: () => undefined,
      async onFileBytes(bytes) {
        await gate
        stored += bytes.length
      },
    })
    for (let turns = 0; turns < 20; turns++) await new Promise(resolve => setTimeout(resolve, 0))
    expect(pulled).toBeLessThan(10)
    release()
    await work
    expect(stored).toBe(10_000)
  })
})

describe('the lines of a file, with the decoder of this runtime (Portkey 6)', () => {
  const read = (chunks: Uint8Array[]) => {
    const lines: string[] = []
    const reader = createLineReader(line => lines.push(line))
    for (const chunk of chunks) {
      const fault = reader.write(chunk)
      if (fault) return { lines, fault }
    }
    return { lines, fault: reader.end() }
  }

  it('are the same at every cut', () => {
    const lines = ['Grüße', '', '漢字 🎈', '\uFEFF', 'x']
    const bytes = utf8(`\uFEFF${lines.join('\r\n')}`)
    for (const chunks of everyCut(bytes)) expect(read(chunks)).toEqual({ lines, fault: undefined })
  })

  it.each(Object.entries(NOT_UTF8))('%s: the line is told at every cut', (_, bad) => {
    for (const after of ['', 'x\n', '\nx', '漢\n']) {
      const bytes = joined([utf8('é\r\n\n漢🎈'), Uint8Array.from(bad), utf8(after)])
      for (const chunks of everyCut(bytes)) {
        expect(read(chunks)).toEqual({ lines: ['é', ''], fault: { line: 3, problem: 'not_utf8' } })
      }
    }
  })
})
