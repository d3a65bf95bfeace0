import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import * as fc from 'fast-check'
import { describe, expect, it, onTestFinished } from 'vitest'
import { ApiError, notFound } from '../../shared/openai/index.ts'
import {
  createTransport,
  delayBefore,
  mayRepeat,
  type OpenAnswer,
  type OutboundRequest,
  type Repeat,
  retryAfterMs,
  TransportError,
  type TransportOptions,
} from '../../shared/transport.ts'
import { readAll, streamOf, utf8 } from './support/bytes.ts'
import { type FakeClock, fakeClock } from './support/memory.ts'

const RETRIES = { count: 2, firstDelayMs: 500, longestDelayMs: 8000 }

const request = (parts: Partial<OutboundRequest> = {}): OutboundRequest => ({
  method: 'GET',
  url: new URL('https://api.example.com/v1/files'),
  headers: {},
  repeat: 'always',
  timeoutMs: 60_000,
  ...parts,
})

type Reply = (request: Request) => Promise<Response> | Response

interface Bench {
  transport: ReturnType<typeof createTransport>
  /** What reached the network. */
  sent: Request[]
  clock: FakeClock
}

/** A transport over a network that answers with these, the last one again and again. */
const bench = (replies: Reply[], options: Partial<TransportOptions> = {}): Bench => {
  const sent: Request[] = []
  const clock = fakeClock()
  const fetch: TransportOptions['fetch'] = async (input, init) => {
    const request = new Request(input, init)
    const reply = replies[Math.min(sent.length, replies.length - 1)]
    sent.push(request)
    if (request.signal.aborted) throw request.signal.reason
    if (!reply) throw new Error('no reply')
    return reply(request)
  }
  return { transport: createTransport({ fetch, clock, retries: RETRIES, ...options }), sent, clock }
}

const status =
  (status: number, headers: Record<string, string> = {}, body: string | null = null): Reply =>
  () =>
    new Response(body, { status, headers })

/** Like the real ones, this network lets go when the signal says so. */
const silent: Reply = ({ signal }) =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))

/** Headers come, the body never does. */
const stalling: Reply = ({ signal }) =>
  new Response(
    new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(utf8('{"half":'))
        signal.addEventListener('abort', () => controller.error(signal.reason))
      },
    }),
  )

const breaking: Reply = () => new Response(streamOf([utf8('{"half":')], { ending: 'error' }))
const unreachable: Reply = () => Promise.reject(new TypeError('fetch failed'))

const outcome = async (work: Promise<unknown>): Promise<unknown> => work.catch((error: unknown) => error)

describe('the guard', () => {
  it.each([
    'http://api.example.com/v1',
    'https://10.0.0.1/v1',
    'https://[::1]/',
    'https://localhost/',
    'https://user:pass@api.example.com/',
  ])('keeps %s off the network, on both ways out (Portkey CVE-2025-66405)', async url => {
    const { transport, sent } = bench([status(200)])
    for (const way of ['call', 'open'] as const) {
      const error = await outcome(transport[way](request({ url: new URL(url) })))
      expect(error).toBeInstanceOf(ApiError)
      expect(error).toMatchObject({ code: 'host_forbidden' })
    }
    expect(sent).toEqual([])
  })

  it('never opens a body for a host that is refused', async () => {
    let opened = 0
    const body = async () => {
      opened++
      return streamOf([])
    }
    const { transport } = bench([status(200)])
    await outcome(transport.call(request({ method: 'POST', url: new URL('https://127.0.0.1/'), body })))
    expect(opened).toBe(0)
  })

  it('lets the allowed origin pass, and no other', async () => {
    const { transport, sent } = bench([status(200)], { allowedOrigin: 'http://127.0.0.1:8787' })
    await transport.call(request({ url: new URL('http://127.0.0.1:8787/v1') }))
    await outcome(transport.call(request({ url: new URL('http://127.0.0.1:8788/v1') })))
    expect(sent.map(({ url }) => url)).toEqual(['http://127.0.0.1:8787/v1'])
  })
})

describe('redirects', () => {
  it.each([300, 301, 302, 303, 304, 307, 308])('%i is not followed (Portkey 22)', async code => {
    for (const way of ['call', 'open'] as const) {
      const { transport, sent } = bench([status(code, { location: 'https://evil.example/' }), status(200)])
      expect(await outcome(transport[way](request()))).toMatchObject({
        name: 'TransportError',
        reason: 'redirected',
      })
      expect(sent.map(({ url, redirect }) => ({ url, redirect }))).toEqual([
        { url: 'https://api.example.com/v1/files', redirect: 'manual' },
      ])
    }
  })

  it('stay redirects when their body cannot be let go', async () => {
    const broken = new ReadableStream({ start: controller => controller.error(new Error('reset')) })
    const { transport } = bench([() => new Response(broken, { status: 302, headers: { location: '/x' } })])
    expect(await outcome(transport.call(request()))).toMatchObject({ reason: 'redirected' })
  })
})

describe('what is sent', () => {
  it('is the request as it was given', async () => {
    const { transport, sent } = bench([status(200)])
    await transport.call(
      request({
        method: 'POST',
        headers: { authorization: 'Bearer k', 'content-type': 'a/b' },
        body: 'hello',
      }),
    )
    const [first] = sent
    expect(first).toMatchObject({ method: 'POST', url: 'https://api.example.com/v1/files' })
    expect(Object.fromEntries(first?.headers ?? [])).toEqual({
      authorization: 'Bearer k',
      'content-type': 'a/b',
    })
    expect(await first?.text()).toBe('hello')
  })

  it('opens a streamed body anew for each attempt (Portkey 17: the stream was spent)', async () => {
    const bodies: string[] = []
    const take =
      (code: number): Reply =>
      async request => {
        bodies.push(await request.text())
        return new Response(null, { status: code })
      }
    const { transport } = bench([take(503), take(429), take(200)])
    const answer = await transport.call(
      request({ method: 'POST', body: async () => streamOf([utf8('all '), utf8('of it')]) }),
    )
    expect(answer.status).toBe(200)
    expect(bodies).toEqual(['all of it', 'all of it', 'all of it'])
  })

  it('a body that cannot be opened says why: it is not the network that failed', async () => {
    const gone = notFound('file_not_found', 'file_id', 'The bytes are gone.')
    const { transport, sent } = bench([status(200)])
    const error = await outcome(
      transport.call(
        request({
          method: 'POST',
          body: async () => {
            throw gone
          },
        }),
      ),
    )
    expect(error).toBe(gone)
    expect(sent).toEqual([])
  })
})

describe('what is repeated', () => {
  const WITH_ALWAYS: Record<string, [Reply, number]> = {
    '200': [status(200), 1],
    '400': [status(400), 1],
    '401': [status(401), 1],
    '403': [status(403), 1],
    '404': [status(404), 1],
    '408': [status(408), 3],
    '409': [status(409), 1],
    '413': [status(413), 1],
    '422': [status(422), 1],
    '429': [status(429), 3],
    '500': [status(500), 3],
    '502': [status(502), 3],
    '503': [status(503), 3],
    '529': [status(529), 3],
    'a redirect': [status(302), 1],
    'a network error': [unreachable, 3],
    'no answer in time': [silent, 3],
    '503 that says not to': [status(503, { 'x-should-retry': 'false' }), 1],
    '429 that says not to': [status(429, { 'x-should-retry': 'false' }), 1],
    '400 that says to': [status(400, { 'x-should-retry': 'true' }), 1],
    '429 for more than a minute': [status(429, { 'retry-after': '61' }), 1],
    '503 for more than a minute': [status(503, { 'retry-after-ms': '60001' }), 1],
    '429 for a minute': [status(429, { 'retry-after': '60' }), 3],
  }
  const WITH_REFUSED = ['429', '429 for a minute']

  const table = Object.entries(WITH_ALWAYS).flatMap(([name, [reply, attempts]]) =>
    (['always', 'if-refused', 'never'] as Repeat[]).map(repeat => ({
      name,
      reply,
      repeat,
      attempts:
        repeat === 'always' || (repeat === 'if-refused' && WITH_REFUSED.includes(name)) ? attempts : 1,
    })),
  )
  it.each(table)('$name, $repeat: $attempts attempt(s)', async ({ reply, repeat, attempts }) => {
    for (const way of ['call', 'open'] as const) {
      const { transport, sent, clock } = bench([reply])
      await outcome(transport[way](request({ repeat, timeoutMs: 5 })))
      expect(sent).toHaveLength(attempts)
      expect(clock.slept).toHaveLength(attempts - 1)
    }
  })

  it('ends with the first good answer', async () => {
    const { transport, sent } = bench([unreachable, status(500), status(200, {}, 'ok')])
    const { status: code, bytes } = await transport.call(request())
    expect([code, new TextDecoder().decode(bytes), sent.length]).toEqual([200, 'ok', 3])
  })

  it('gives the last answer or error when all attempts are spent', async () => {
    expect(await bench([status(500), status(502), status(503)]).transport.call(request())).toMatchObject({
      status: 503,
    })
    expect(await outcome(bench([unreachable]).transport.call(request()))).toMatchObject({
      reason: 'unreachable',
    })
  })

  it('not at all when repeats are switched off', async () => {
    const { transport, sent } = bench([status(503)], { retries: { ...RETRIES, count: 0 } })
    await transport.call(request())
    expect(sent).toHaveLength(1)
  })

  it('leaves no answer half read that it does not use', async () => {
    let ended = 0
    const failing: Reply = () =>
      new Response(
        new ReadableStream({
          pull(controller) {
            ended++
            controller.close()
          },
        }),
        { status: 429 },
      )
    const { transport } = bench([failing, failing, status(200)])
    expect(await outcome(transport.open(request()))).toMatchObject({ status: 200 })
    expect(ended).toBe(2)
  })

  it('mayRepeat knows of nothing else', () => {
    const headers = new Headers()
    fc.assert(
      fc.property(fc.integer({ min: 200, max: 599 }), code => {
        expect(mayRepeat('never', { status: code, headers })).toBe(false)
        expect(mayRepeat('if-refused', { status: code, headers })).toBe(code === 429)
        expect(mayRepeat('always', { status: code, headers })).toBe(
          code === 429 || code === 408 || code >= 500,
        )
      }),
    )
    for (const reason of ['timeout', 'unreachable', 'redirected', 'client_gone'] as const) {
      const error = new TransportError(reason)
      expect(mayRepeat('never', error)).toBe(false)
      expect(mayRepeat('if-refused', error)).toBe(false)
      expect(mayRepeat('always', error)).toBe(reason === 'timeout' || reason === 'unreachable')
    }
  })
})

describe('how long it waits', () => {
  const NOW = Date.UTC(2026, 10, 20, 12)
  const waits: [Record<string, string>, number | undefined][] = [
    [{}, undefined],
    [{ 'retry-after': '0' }, 0],
    [{ 'retry-after': '7' }, 7000],
    [{ 'retry-after': '1.5' }, 1500],
    [{ 'retry-after': '-3' }, 0],
    [{ 'retry-after': new Date(NOW + 9000).toUTCString() }, 9000],
    [{ 'retry-after': new Date(NOW - 9000).toUTCString() }, 0],
    [{ 'retry-after': 'soon' }, undefined],
    [{ 'retry-after': '' }, undefined],
    [{ 'retry-after-ms': '250' }, 250],
    [{ 'retry-after-ms': '250', 'retry-after': '7' }, 250],
    [{ 'retry-after-ms': 'x', 'retry-after': '7' }, 7000],
    [{ 'retry-after-ms': '-1', 'retry-after': '7' }, 7000],
    [{ 'retry-after-ms': '', 'retry-after': '7' }, 7000],
  ]
  it.each(waits)('%j asks for %s ms', (headers, expected) => {
    expect(retryAfterMs(new Headers(headers), NOW)).toBe(expected)
  })

  it('as long as the server asks, without jitter', async () => {
    const date = fakeClock().time + 4000
    const { transport, clock } = bench(
      [
        status(429, { 'retry-after': '3' }),
        status(503, { 'retry-after': new Date(date).toUTCString() }),
        status(200),
      ],
      { random: () => 0.1 },
    )
    await transport.call(request())
    // The date is one second away once three of its four have passed.
    expect(clock.slept).toEqual([3000, 1000])
  })

  it('else within a doubling bound, any part of it', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 40 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        fc.nat({ max: 2000 }),
        fc.nat({ max: 20_000 }),
        (attempt, random, firstDelayMs, longestDelayMs) => {
          const delay = delayBefore(
            attempt,
            undefined,
            { count: 2, firstDelayMs, longestDelayMs },
            () => random,
          )
          const bound = Math.min(longestDelayMs, firstDelayMs * 2 ** attempt)
          expect(delay).toBeCloseTo(bound * random)
        },
      ),
    )
  })

  it('draws the jitter for each delay anew', async () => {
    const draws = [0.5, 0.25]
    const { transport, clock } = bench([status(500)], { random: () => draws.shift() ?? 0 })
    await transport.call(request())
    expect(clock.slept).toEqual([250, 250])
  })
})

describe('time limits', () => {
  it.each([
    ['no headers, call', 'call', silent],
    ['no headers, open', 'open', silent],
    ['a body that stalls, call', 'call', stalling],
  ] as const)('%s', async (_, way, reply) => {
    const { transport } = bench([reply])
    expect(await outcome(transport[way](request({ repeat: 'never', timeoutMs: 5 })))).toMatchObject({
      name: 'TransportError',
      reason: 'timeout',
    })
  })

  it('the body of an error is read under the limit too, whichever the way', async () => {
    const { transport } = bench([
      request => {
        const { body } = stalling(request) as Response
        return new Response(body, { status: 500 })
      },
    ])
    expect(await outcome(transport.open(request({ repeat: 'never', timeoutMs: 5 })))).toMatchObject({
      reason: 'timeout',
    })
  })

  it('an open answer may take its time once its headers are there', async () => {
    const late: Reply = ({ signal }) =>
      new Response(
        new ReadableStream<Uint8Array>({
          async pull(controller) {
            await new Promise(resolve => setTimeout(resolve, 30))
            if (signal.aborted) return controller.error(signal.reason)
            controller.enqueue(utf8('late'))
            controller.close()
          },
        }),
      )
    const { transport } = bench([late])
    const { body } = await transport.open(request({ timeoutMs: 5 }))
    expect(new TextDecoder().decode(await readAll(body))).toBe('late')
  })

  it('a body that breaks off is unreachable, not an answer', async () => {
    const { transport, sent } = bench([breaking])
    expect(await outcome(transport.call(request()))).toMatchObject({ reason: 'unreachable' })
    expect(sent).toHaveLength(3)
  })
})

describe('the client', () => {
  it.each(['call', 'open'] as const)('leaves while %s waits for headers: nothing is repeated', async way => {
    const client = new AbortController()
    const { transport, sent, clock } = bench([
      request => {
        queueMicrotask(() => client.abort())
        return silent(request)
      },
    ])
    expect(await outcome(transport[way](request({ signal: client.signal })))).toMatchObject({
      reason: 'client_gone',
    })
    expect(sent).toHaveLength(1)
    expect(clock.slept).toEqual([])
  })

  it('leaves while the body is on its way: the upstream is let go (Portkey 20)', async () => {
    const client = new AbortController()
    const { transport, sent } = bench([stalling])
    const { body } = await transport.open(request({ signal: client.signal }))
    const reader = body.getReader()
    await reader.read()
    client.abort()
    await expect(reader.read()).rejects.toThrow()
    expect(sent[0]?.signal.aborted).toBe(true)
  })

  it('leaves while a repeat is waited for: no more is sent', async () => {
    const client = new AbortController()
    const { transport, sent } = bench([status(503)], {
      clock: {
        now: () => 0,
        sleep: async () => client.abort(),
      },
    })
    let opened = 0
    const body = async () => {
      opened++
      return streamOf([])
    }
    const left = request({ method: 'POST', body, signal: client.signal })
    expect(await outcome(transport.call(left))).toMatchObject({ reason: 'client_gone' })
    expect([sent.length, opened]).toEqual([1, 1])
  })

  it('had left before', async () => {
    const { transport } = bench([status(200)])
    expect(await outcome(transport.call(request({ signal: AbortSignal.abort() })))).toMatchObject({
      reason: 'client_gone',
    })
  })
})

describe('where the platform ends calls with their request', () => {
  const ended = { endsCallsWithRequest: true }
  const never = { method: 'POST', body: '{}', repeat: 'never', endsWithRequest: true } as const
  const call = (reply: Reply, parts: Partial<OutboundRequest> = {}, options = ended) => {
    const { transport, sent } = bench([reply], options)
    return (['call', 'open'] as const).map(async way => ({
      answer: await outcome(transport[way](request({ ...never, ...parts }))),
      sent,
    }))
  }

  it('such a call is sent as any other', async () => {
    for (const { answer, sent } of await Promise.all(
      call(status(200, { a: 'b' }, '{"x":1}'), { headers: { c: 'd' } }),
    )) {
      expect(answer).toMatchObject({ status: 200 })
      expect(sent[0]).toMatchObject({
        method: 'POST',
        url: 'https://api.example.com/v1/files',
        redirect: 'manual',
      })
      expect(sent[0]?.headers.get('c')).toBe('d')
      expect(await sent[0]?.clone().text()).toBe('{}')
    }
  })

  it.each<[string, Reply, Partial<OutboundRequest>, object]>([
    ['silence', silent, { timeoutMs: 5 }, { reason: 'timeout' }],
    ['no connection', unreachable, {}, { reason: 'unreachable' }],
    ['a redirect', status(307, { location: 'https://evil.example/' }), {}, { reason: 'redirected' }],
    ['an error', status(503, {}, 'busy'), {}, { status: 503 }],
  ])('%s is what it is elsewhere', async (_, reply, parts, expected) => {
    for (const options of [ended, { endsCallsWithRequest: false }]) {
      for (const { answer } of await Promise.all(call(reply, parts, options))) {
        expect(answer).toMatchObject(expected)
        if ('reason' in expected) expect(answer).toBeInstanceOf(TransportError)
      }
    }
  })

  it('the time ends with the headers of an open answer, and with the last byte of a whole one', async () => {
    const late: Reply = () =>
      new Response(
        new ReadableStream<Uint8Array>({
          async start(controller) {
            controller.enqueue(utf8('{'))
            await new Promise(resolve => setTimeout(resolve, 40))
            controller.enqueue(utf8('}'))
            controller.close()
          },
        }),
      )
    const [whole, open] = await Promise.all(call(late, { timeoutMs: 10 }))
    expect(whole?.answer).toMatchObject({ reason: 'timeout' })
    const { body } = { ...(open?.answer as Partial<OpenAnswer>) }
    expect(body && (await readAll(body))).toEqual(utf8('{}'))
  })

  it.each([
    ['a call that outlives its request', { ...never, endsWithRequest: false }],
    ['a streamed body', { ...never, body: async () => streamOf([utf8('x')]) }],
  ])('%s still ends with its client', async (_, parts) => {
    const client = new AbortController()
    const { transport } = bench([silent], ended)
    const work = outcome(transport.call(request({ ...parts, signal: client.signal })))
    await new Promise(resolve => setTimeout(resolve, 0))
    client.abort()
    expect(await work).toMatchObject({ reason: 'client_gone' })
  })
})

describe('over a real connection to this machine', () => {
  const serve = async (listener: RequestListener) => {
    const server = createServer(listener)
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const clock = fakeClock()
    const transport = createTransport({ fetch, clock, retries: RETRIES, allowedOrigin: origin })
    return {
      transport,
      at: (path: string, parts: Partial<OutboundRequest> = {}) =>
        request({ url: new URL(path, origin), ...parts }),
    }
  }

  it('a redirect is not followed: its target hears nothing', async () => {
    const paths: (string | undefined)[] = []
    const { transport, at } = await serve((incoming, answer) => {
      paths.push(incoming.url)
      answer.writeHead(307, { location: '/elsewhere' }).end('moved')
    })
    expect(await outcome(transport.call(at('/here')))).toMatchObject({ reason: 'redirected' })
    expect(paths).toEqual(['/here'])
  })

  it('a server that says nothing, and one that stops in the middle', async () => {
    const { transport, at } = await serve((incoming, answer) => {
      if (incoming.url === '/half') answer.writeHead(200, { 'content-length': '100' }).write('half')
      if (incoming.url === '/cut') {
        answer.writeHead(200, { 'content-length': '100' }).write('half')
        setTimeout(() => answer.destroy(), 5)
      }
    })
    for (const [path, reason] of [
      ['/silent', 'timeout'],
      ['/half', 'timeout'],
      ['/cut', 'unreachable'],
    ] as const) {
      const error = await outcome(
        transport.call(at(path, { repeat: 'never', timeoutMs: path === '/cut' ? 60_000 : 50 })),
      )
      expect(error, path).toMatchObject({ reason })
    }
  })

  // Node forgets a time limit that is passed on from a Request which nobody holds any more.
  it('a limit holds though memory is cleared up meanwhile', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const asked = Promise.withResolvers<void>()
    const { transport, at } = await serve(() => asked.resolve())
    const client = new AbortController()
    const call = outcome(
      transport.call(at('/silent', { repeat: 'never', timeoutMs: 300, signal: client.signal })),
    )
    await asked.promise
    collect()
    expect(await call).toMatchObject({ reason: 'timeout' })
  })

  it('a client that leaves closes the connection upstream', async () => {
    const closed = Promise.withResolvers<void>()
    const { transport, at } = await serve((_, answer) => {
      answer.on('close', () => closed.resolve())
      answer.writeHead(200).write('first')
    })
    const client = new AbortController()
    const { body } = await transport.open(at('/stream', { signal: client.signal }))
    const reader = body.getReader()
    await reader.read()
    client.abort()
    await closed.promise
    await expect(reader.read()).rejects.toThrow()
  })

  it('a streamed body arrives whole, on each attempt', async () => {
    const bodies: string[] = []
    const { transport, at } = await serve(async (incoming, answer) => {
      const chunks: Buffer[] = []
      for await (const chunk of incoming) chunks.push(chunk as Buffer)
      bodies.push(Buffer.concat(chunks).toString())
      answer.writeHead(bodies.length < 3 ? 503 : 200).end()
    })
    const body = async () => streamOf([utf8('Grüße '), utf8('🎈')])
    expect(await transport.call(at('/files', { method: 'POST', body }))).toMatchObject({ status: 200 })
    expect(bodies).toEqual(['Grüße 🎈', 'Grüße 🎈', 'Grüße 🎈'])
  })
})
