import { describe, expect, it } from 'vitest'
import { toFault } from '../../../shared/providers/azure/faults.ts'
import { utf8 } from '../support/bytes.ts'

const faultOf = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  toFault({
    status,
    headers: new Headers(headers),
    bytes: utf8(typeof body === 'string' ? body : JSON.stringify(body)),
  })
const error = (parts: Record<string, unknown>) => ({ error: { message: 'No.', ...parts } })

describe('faults', () => {
  it('a deployment that is not there: says which hop failed', () => {
    expect(faultOf(404, error({ code: 'DeploymentNotFound' }))).toMatchObject({
      status: 404,
      code: 'model_not_found',
      nativeCode: 'DeploymentNotFound',
      param: 'model',
      message: expect.stringMatching(/resource was reached.*no deployment of this name/),
      refused: true,
    })
  })

  const FILTER = {
    hate: { filtered: false, severity: 'safe' },
    violence: { filtered: true, severity: 'medium' },
    jailbreak: { filtered: true, detected: true },
    custom_blocklists: [{ filtered: true, id: 'x' }],
  }
  it.each(['inner_error', 'innererror'])('the content filter’s refusal, with what it found in %s', name => {
    const detail = { code: 'ResponsibleAIPolicyViolation', content_filter_result: FILTER }
    const body = error({ code: 'content_filter', message: 'Filtered.', param: 'prompt', [name]: detail })
    expect(faultOf(400, body)).toMatchObject({
      status: 400,
      code: 'content_filter',
      param: 'prompt',
      message: 'Filtered. (filtered: violence, jailbreak)',
    })
    expect(faultOf(400, error({ code: 'BadRequest', [name]: detail })).code).toBe('content_filter')
    expect(faultOf(400, error({ code: 'content_filter', [name]: null }))).toMatchObject({
      code: 'content_filter',
      message: 'No.',
    })
  })

  it.each([
    ['jsonlValidationFailed', 400, 'invalid_dataset'],
    ['unexpectedEntityState', 400, 'invalid_state'],
    ['AuthorizationFailed', 403, 'permission_denied'],
    ['PermissionDenied', 403, 'permission_denied'],
    ['invalidPayload', 400, null],
    ['notFound', 404, null],
    ['insufficient_quota', 429, 'insufficient_quota'],
    ['context_length_exceeded', 400, 'context_length_exceeded'],
    ['constructor', 400, null],
  ])('%s (%i) is %s', (code, status, expected) => {
    expect(faultOf(status, error({ code }))).toMatchObject({ status, code: expected, nativeCode: code })
  })

  it('a refusal by the resource manager names neither who calls nor the subscription', () => {
    const message = "The client 'abc' with object id 'def' may not act over scope '/subscriptions/sub-1'."
    const fault = faultOf(403, error({ code: 'AuthorizationFailed', message }))
    expect(fault.message).toContain('deployments/write')
    expect(JSON.stringify(fault)).not.toMatch(/sub-1|abc|def'/)
  })

  it('repeats nothing that a 401 says', () => {
    const fault = faultOf(401, error({ code: '401', message: 'Access denied due to key S3CR3T.' }))
    expect(JSON.stringify(fault)).not.toContain('S3CR3T')
  })

  it.each([
    [{ 'retry-after': '7', 'retry-after-ms': '6500' }, '7'],
    [{ 'retry-after-ms': '6500' }, '7'],
    [{ 'retry-after-ms': '0' }, '0'],
    [{ 'retry-after-ms': 'soon' }, null],
    [{}, null],
  ])('%j: wait %s seconds', (headers, expected) => {
    expect(faultOf(429, {}, headers as Record<string, string>).retryAfter).toBe(expected)
  })

  it.each(['<html>', '', '[]', 'null', '{"error":"no"}', '{"error":{"inner_error":7}}'])(
    'is one from %j',
    body => {
      expect(faultOf(503, body)).toMatchObject({ status: 503, code: null, refused: false })
    },
  )
})
