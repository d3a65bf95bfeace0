import { describe, expect, it } from 'vitest'
import { faultOf, rpcName, toFault } from '../../../shared/providers/vertex_ai/faults.ts'

const answer = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  toFault({
    status,
    headers: new Headers(headers),
    bytes: new TextEncoder().encode(typeof body === 'string' ? body : JSON.stringify(body)),
  })
const google = (status: number, name: string, message = 'why') =>
  answer(status, { error: { code: status, message, status: name } })

it.each([
  [400, 'INVALID_ARGUMENT', null, true],
  [400, 'FAILED_PRECONDITION', null, true],
  [401, 'UNAUTHENTICATED', null, true],
  [403, 'PERMISSION_DENIED', 'permission_denied', true],
  [404, 'NOT_FOUND', null, true],
  [409, 'ABORTED', null, false],
  [429, 'RESOURCE_EXHAUSTED', 'rate_limit_exceeded', true],
  [499, 'CANCELLED', null, false],
  [500, 'INTERNAL', 'server_error', false],
  [503, 'UNAVAILABLE', 'server_is_overloaded', false],
  [504, 'DEADLINE_EXCEEDED', null, false],
])('%i %s', (status, nativeCode, code, refused) => {
  expect(google(status, nativeCode)).toMatchObject({ status, nativeCode, code, refused, param: null })
})

it.each([
  ['Publisher Model `x` was not found or your project does not have access to it.', 'model_not_found'],
  ['Endpoint `projects/1/locations/us/endpoints/2` not found.', 'model_not_found'],
  ['TuningJob 1 was not found.', null],
])('%s', (message, code) => expect(google(404, 'NOT_FOUND', message).code).toBe(code))

it('knows a context that is too long', () => {
  expect(
    google(
      400,
      'INVALID_ARGUMENT',
      'The input token count (9) exceeds the maximum number of tokens allowed (8).',
    ).code,
  ).toBe('context_length_exceeded')
})

describe('what it takes from an answer', () => {
  it('a wait', () => {
    const details = [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '12.2s' }]
    const body = { error: { code: 429, status: 'RESOURCE_EXHAUSTED', message: 'slow', details } }
    expect(answer(429, body).retryAfter).toBe('13')
    expect(answer(429, body, { 'retry-after': '7' }).retryAfter).toBe('7')
    expect(answer(429, { error: { details: [{ retryDelay: '5s' }] } }).retryAfter).toBeNull()
  })
  it('nothing that a refusal of credentials says', () => {
    expect(google(401, 'UNAUTHENTICATED', 'token ya29.SECRET').message).toBeUndefined()
  })
  it("Cloud Storage's reasons", () => {
    expect(
      answer(412, { error: { code: 412, message: 'm', errors: [{ reason: 'conditionNotMet' }] } }),
    ).toMatchObject({
      nativeCode: 'conditionNotMet',
      message: 'm',
    })
  })
  it.each(['', '<html>', '[]', '{"error":"no"}', 'null', '{"error":{"status":{"a":1},"message":5}}'])(
    'nothing from %j',
    body => {
      expect(answer(502, body)).toMatchObject({ status: 502, nativeCode: null, message: undefined })
    },
  )
})

it('an error within an answer has the status that its name means', () => {
  expect(faultOf({ error: { status: 'UNAVAILABLE', code: 14, message: 'm' } })).toMatchObject({
    status: 503,
    refused: false,
  })
  expect(faultOf([{ error: { code: 429, message: 'm' } }])).toMatchObject({ status: 429, refused: false })
})
it.each<[number | undefined, string]>([
  [3, 'INVALID_ARGUMENT'],
  [13, 'INTERNAL'],
  [99, 'UNKNOWN'],
  [undefined, 'UNKNOWN'],
])('rpc code %s is %s', (code, name) => expect(rpcName(code)).toBe(name))
