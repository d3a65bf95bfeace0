/** A page of another origin in a real browser, with its user's token in place of a key. */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { Browser } from 'playwright-core'
import { build } from 'vite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { itIsJudged, useBench } from './support/bench.ts'
import { startBrowser } from './support/browser.ts'
import { chatLines, toJsonl } from './support/data.ts'

/** What a user's own code would do, with fetch and with the official client. */
const PAGE = `<!doctype html><title>app</title><script type="module">
  import OpenAI from '/openai.js'
  const asked = async (url, options, read = answer => answer.json()) => {
    try {
      const answer = await fetch(url, options)
      return { status: answer.status, id: answer.headers.get('x-request-id'), value: await read(answer) }
    } catch (error) {
      return String(error)
    }
  }
  window.upload = (base, token, lines) => {
    const body = new FormData()
    body.set('purpose', 'fine-tune')
    body.set('file', new File([lines], 'train.jsonl'))
    return asked(base + '/files', { method: 'POST', headers: { authorization: 'Bearer ' + token }, body })
  }
  window.list = (base, token) => asked(base + '/files', { headers: { authorization: 'Bearer ' + token } })
  window.chat = (base, token, model) =>
    asked(
      base + '/chat/completions',
      {
        method: 'POST',
        headers: { authorization: 'Bearer ' + token, 'content-type': 'application/json' },
        body: JSON.stringify({ model, stream: true, messages: [{ role: 'user', content: 'hi' }] }),
      },
      async answer => {
        let text = ''
        for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) text += chunk
        return text
      },
    )
  window.client = async (base, token, model) => {
    const client = new OpenAI({ apiKey: token, baseURL: base, dangerouslyAllowBrowser: true, maxRetries: 0 })
    const messages = [{ role: 'user', content: 'hi' }]
    const stream = await client.chat.completions.create({ model, stream: true, messages })
    let text = ''
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ''
    const { data } = await client.files.list()
    const refusal = await client.fineTuning.jobs.list().catch(error => error)
    return { text, files: data.length, refusal: [refusal.status, refusal.code] }
  }
  window.ready = true
</script>`

/** The official client as a page's own build would have it: one module. */
const bundleClient = async (): Promise<string> => {
  const built = await build({
    configFile: false,
    logLevel: 'warn',
    build: {
      write: false,
      minify: false,
      lib: { entry: fileURLToPath(import.meta.resolve('openai')), formats: ['es'], fileName: 'openai' },
    },
  })
  const [bundle] = [built].flat()
  if (!bundle || !('output' in bundle)) throw new Error('The client was not bundled.')
  return bundle.output[0].code
}

const CLIENT = await bundleClient()

const serve = async (): Promise<{ server: Server; origin: string }> => {
  const server = createServer(({ url }, answer) =>
    url === '/openai.js'
      ? answer.setHeader('content-type', 'text/javascript').end(CLIENT)
      : answer.setHeader('content-type', 'text/html').end(PAGE),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

const [known, unknown] = [await serve(), await serve()]
const bench = useBench({
  config: 'test/e2e/support/pages.config.ts',
  vars: { PAGE_ORIGIN: known.origin },
})
let browser: Browser
beforeAll(async () => {
  browser = await startBrowser()
})
afterAll(async () => {
  await browser?.close()
  for (const { server } of [known, unknown]) server.close()
})

const tokenOf = async (claims: object): Promise<string> => {
  const answer = await fetch(`${bench.stack.sandbox.origin}/_sandbox/identity/tokens`, {
    method: 'POST',
    body: JSON.stringify({ claims: { aud: 'tunegate', ...claims } }),
  })
  return ((await answer.json()) as { token: string }).token
}

interface Asked<T> {
  status: number
  id: string | null
  value: T
}

const openPage = async (origin: string) => {
  const page = await browser.newPage()
  await page.goto(origin)
  await page.waitForFunction('window.ready')
  return <T>(name: string, ...args: string[]) =>
    page.evaluate<T>(
      `window.${name}(${[bench.stack.baseURL, ...args].map(arg => JSON.stringify(arg)).join(', ')})`,
    )
}

describe('a page of a configured origin', () => {
  it('uploads, lists and chats with its user’s token', async () => {
    const token = await tokenOf({ sub: 'alice', scope: 'files chat' })
    const run = await openPage(known.origin)
    const uploaded = await run<Asked<{ id: string }>>('upload', token, toJsonl(chatLines(10)))
    expect(uploaded).toMatchObject({ status: 200, id: expect.stringMatching(/^req_/) })
    const listed = await run<Asked<{ data: { id: string }[] }>>('list', token)
    expect(listed.value.data.map(({ id }) => id)).toEqual([uploaded.value.id])
    const said = await run<Asked<string>>('chat', token, 'gpt-4.1-mini')
    expect(said.status).toBe(200)
    expect(said.value).toMatch(/^data: \{/)
    expect(said.value).toMatch(/data: \[DONE\]\s*$/)

    const bob = await tokenOf({ sub: 'bob', scope: 'files' })
    expect(await run('list', bob)).toMatchObject({ status: 200, value: { data: [] } })
    expect(await run('chat', bob, 'gpt-4.1-mini')).toMatchObject({ status: 403, id: expect.any(String) })
  })

  it('does so with the official client, and reads what it is refused', async () => {
    const token = await tokenOf({ sub: 'carol', scope: 'files chat' })
    const run = await openPage(known.origin)
    expect(await run('client', token, 'gpt-4.1-mini')).toEqual({
      text: expect.stringMatching(/\S/),
      files: 0,
      refusal: [403, 'insufficient_permissions'],
    })
  })

  it('reads why a token is refused', async () => {
    const run = await openPage(known.origin)
    const foreign = await tokenOf({ sub: 'alice', aud: 'elsewhere', scope: 'files' })
    expect(await run('list', foreign)).toMatchObject({
      status: 401,
      value: { error: { code: 'invalid_api_key' } },
    })
  })
})

describe('a page of another origin', () => {
  it('gets nothing, and changes nothing', async () => {
    const token = await tokenOf({ sub: 'dave', scope: 'files chat' })
    const run = await openPage(unknown.origin)
    const sent = bench.watch()
    expect(await run('list', token)).toBe('TypeError: Failed to fetch')
    expect(await run('upload', token, toJsonl(chatLines(10)))).toBe('TypeError: Failed to fetch')
    expect(await run('chat', token, 'gpt-4.1-mini')).toBe('TypeError: Failed to fetch')
    expect(sent()).toEqual([])
    expect(await (await openPage(known.origin))('list', token)).toMatchObject({ value: { data: [] } })
  })
})

itIsJudged(bench)
