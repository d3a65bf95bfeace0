/** The judge of the end-to-end tests can say no. */
import { describe, expect, it } from 'vitest'
import { createJudge, judgedFetch, judgeRequests, readSpecification } from '../support/judge.ts'

const FILE = {
  id: 'file-1',
  object: 'file',
  bytes: 1,
  created_at: 1,
  filename: 'a',
  purpose: 'batch',
  status: 'processed',
}
const CHUNK = {
  id: 'chatcmpl-1',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'm',
  choices: [{ index: 0, delta: { content: 'a' }, logprobs: null, finish_reason: null }],
}
const ERROR = { error: { message: 'm', type: 't', param: null, code: null } }
const JOB = { model: 'gpt-4.1-mini', training_file: 'file-1' }

const specification = readSpecification()
const by = createJudge(specification ?? {})

const findings = async (path: string, response: Response, method = 'GET') => {
  const violations: string[] = []
  const answer = await judgedFetch(
    violations,
    by,
    async () => response,
  )(`http://gateway.test/v1${path}`, {
    method,
  })
  const text = await answer.text()
  return { violations, text }
}
const ID = { 'x-request-id': 'req_1' }
const json = (body: unknown, init: ResponseInit = {}) => Response.json(body, { headers: ID, ...init })
const stream = (...data: string[]) =>
  new Response(data.map(each => `data: ${each}\n\n`).join(''), {
    headers: { ...ID, 'content-type': 'text/event-stream' },
  })
const CHAT = ['/chat/completions', 'POST'] as const

describe.skipIf(!specification)('the judge', () => {
  it.each([
    ['GET', '/files/file-1', 'GET /files/{file_id}'],
    ['DELETE', '/models/openai/ft:a:b::c', 'DELETE /models/{model}'],
    ['POST', '/fine_tuning/jobs/ftjob-1/pause', 'POST /fine_tuning/jobs/{fine_tuning_job_id}/pause'],
    ['POST', '/keys', undefined],
  ])('knows the operation of %s %s', (method, path, operation) => {
    expect(by.operationOf({ method, path })).toBe(operation)
  })

  it('has nothing against what is right', async () => {
    expect((await findings('/files/file-1', json(FILE))).violations).toEqual([])
    expect((await findings('/files/file-1', json(ERROR, { status: 404, headers: ID }))).violations).toEqual(
      [],
    )
    const done = stream(JSON.stringify(CHUNK), '[DONE]')
    expect((await findings(CHAT[0], done, CHAT[1])).violations).toEqual([])
    const broken = stream(JSON.stringify(CHUNK), JSON.stringify(ERROR))
    expect((await findings(CHAT[0], broken, CHAT[1])).violations).toEqual([])
    expect(judgeRequests([{ method: 'POST', path: '/v1/fine_tuning/jobs', body: JOB }], by)).toEqual([])
  })

  it.each([
    ['a field of the wrong type', '/files/file-1', json({ ...FILE, bytes: '1' }), /bytes must be integer/],
    ['a field that is missing', '/files/file-1', json({ ...FILE, filename: undefined }), /'filename'/],
    ['milliseconds', '/files/file-1', json({ ...FILE, created_at: Date.now() }), /unixtime/],
    ['a value beyond the list', '/files/file-1', json({ ...FILE, purpose: 'fun' }), /purpose must be equal/],
    [
      'an item of a list',
      '/files',
      json({ object: 'list', data: [{}], first_id: '', last_id: '', has_more: false }),
      /data\/0/,
    ],
    ['an answer without an id', '/files/file-1', Response.json(FILE), /no x-request-id/],
    ['an answer that is no JSON', '/files/file-1', new Response('<html>', { headers: ID }), /not JSON/],
    [
      'an error without a code',
      '/files/x',
      json({ error: { message: '', type: '', param: null } }, { status: 404, headers: ID }),
      /'code'/,
    ],
    ['an error that is no JSON', '/keys', new Response('no', { status: 500, headers: ID }), /not JSON/],
  ])('complains about %s', async (_what, path, response, complaint) => {
    expect((await findings(path, response)).violations.join('\n')).toMatch(complaint)
  })

  it.each([
    [
      'a broken chunk',
      stream(JSON.stringify({ ...CHUNK, choices: [{ index: 'x' }] }), '[DONE]'),
      /in a chunk/,
    ],
    ['a stream without an end', stream(JSON.stringify(CHUNK)), /no end/],
    ['a clean end after an error', stream(JSON.stringify(ERROR), '[DONE]'), /after the end/],
    ['half a chunk', stream('{"id":', '[DONE]'), /not JSON/],
  ])('complains about %s', async (_what, response, complaint) => {
    const { violations, text } = await findings(CHAT[0], response, CHAT[1])
    expect(violations.join('\n')).toMatch(complaint)
    expect(text).toContain('data: ')
  })

  it('complains about a request that the provider would not understand', () => {
    const sent = { method: 'POST', path: '/v1/fine_tuning/jobs', body: { ...JOB, seed: 'seven' } }
    expect(judgeRequests([sent], by).join('\n')).toMatch(/seed must be integer/)
  })
})
