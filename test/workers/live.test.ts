import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { datasetFile, type Gateway, sandbox, startGateway } from '../support/gateway.ts'

const MODEL = 'gpt-4.1-mini-2025-04-14'

interface Said {
  id: string | undefined
  data: string
}

/** Reads server-sent events as a browser does. */
async function* events(answer: Response): AsyncGenerator<Said> {
  let text = ''
  for await (const chunk of (answer.body ?? new ReadableStream()).pipeThrough(new TextDecoderStream())) {
    text += chunk
    for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
      const lines = text.slice(0, end).split('\n')
      text = text.slice(end + 2)
      const field = (name: string) => lines.find(line => line.startsWith(`${name}: `))?.slice(name.length + 2)
      const data = field('data')
      if (data !== undefined) yield { id: field('id'), data }
    }
  }
}

describe('GET /v1/fine_tuning/jobs/{id}/events as a live feed', () => {
  let gateway: Gateway
  let key: string
  beforeEach(async () => {
    await sandbox.reset()
    gateway = startGateway()
    key = await gateway.key()
  })
  afterEach(() => sandbox.settings({ stepMs: 0 }))

  const create = async () => {
    const client = await gateway.client(key)
    const file = await client.files.create({ file: datasetFile(), purpose: 'fine-tune' })
    const job = await client.fineTuning.jobs.create({ model: MODEL, training_file: file.id })
    return { client, id: job.id }
  }
  const open = (id: string, { query = '', ...headers }: Record<string, string> = {}) =>
    gateway.fetch(`/v1/fine_tuning/jobs/${id}/events${query}`, { key, headers })

  it('follows a job to its end: every event once, and the same as the list has', async () => {
    await sandbox.settings({ stepMs: 5 })
    const { client, id } = await create()
    const answer = await open(id, { accept: 'text/event-stream' })
    expect(answer.headers.get('content-type')).toMatch(/^text\/event-stream/)
    const said: Said[] = []
    for await (const each of events(answer)) said.push(each)
    expect(said.at(-1)).toEqual({ id: undefined, data: '[DONE]' })
    const told = said.slice(0, -1).map(({ data }) => JSON.parse(data) as { id: string })
    const listed = (await client.fineTuning.jobs.listEvents(id, { limit: 1000 })).data
    expect(listed.length).toBeGreaterThan(5)
    expect(told.map(event => event.id).sort()).toEqual(listed.map(event => event.id).sort())
    expect(told).toEqual(expect.arrayContaining(listed))
  })

  it('goes on behind Last-Event-ID, and says when there is nothing more', async () => {
    const { id } = await create()
    const first: Said[] = []
    for await (const each of events(await open(id, { query: '?stream=true' }))) first.push(each)
    const [heard, last] = [first[2], first.at(-2)]
    const rest: Said[] = []
    for await (const each of events(
      await open(id, { query: '?stream=true', 'last-event-id': heard?.id ?? '' }),
    ))
      rest.push(each)
    expect(rest).toEqual(first.slice(3))
    const nothing = await open(id, { query: '?stream=true', 'last-event-id': last?.id ?? '' })
    expect(nothing.status).toBe(204)
  })

  it('is read by the official client as a stream', async () => {
    const { client, id } = await create()
    const stream = await client.get<AsyncIterable<{ object: string }>>(`/fine_tuning/jobs/${id}/events`, {
      query: { stream: 'true' },
      stream: true,
    })
    const objects = new Set<string>()
    for await (const event of stream) objects.add(event.object)
    expect([...objects]).toEqual(['fine_tuning.job.event'])
  })

  it('is a page where no stream is asked for', async () => {
    const { id } = await create()
    const answer = await open(id, { accept: 'text/event-stream', query: '?stream=false' })
    expect(await answer.json()).toMatchObject({ object: 'list' })
  })
})
