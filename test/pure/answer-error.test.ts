import { describe, expect, it } from 'vitest'
import { ApiError } from '../../shared/openai/index.ts'
import { asAnswerError, type Fault, ProviderFault, toAnswerError } from '../../shared/providers/index.ts'

const fault = (parts: Partial<Fault>): Fault => ({
  status: 500,
  code: null,
  nativeCode: null,
  message: undefined,
  param: null,
  retryAfter: null,
  refused: false,
  ...parts,
})
const answer = (parts: Partial<Fault>) => toAnswerError(new ProviderFault('openai', fault(parts)))

describe('a fault as an answer', () => {
  const rows: [Partial<Fault>, number, string, string, RegExp][] = [
    [{ status: 'timeout' }, 504, 'provider_timeout', 'server_error', /'openai' did not answer in time/],
    [{ status: 'unreachable' }, 502, 'provider_unreachable', 'server_error', /'openai' could not be reached/],
    [{ status: 'redirected' }, 502, 'provider_redirected', 'server_error', /'openai' .*redirect/],
    [{ status: 'garbled' }, 502, 'provider_invalid_answer', 'server_error', /'openai' answered something/],
    [{ status: 'client_gone' }, 499, 'provider_unreachable', 'invalid_request_error', /'openai'/],
    // The code tells that it is not the caller's own key that was refused.
    [
      { status: 401 },
      401,
      'provider_authentication_failed',
      'authentication_error',
      /'openai' refused the credentials/,
    ],
    [{ status: 400, message: 'Bad seed.' }, 400, 'provider_error', 'invalid_request_error', /^Bad seed\.$/],
    [
      { status: 400, code: 'invalid_type', message: 'Bad.' },
      400,
      'invalid_type',
      'invalid_request_error',
      /^Bad\.$/,
    ],
    [{ status: 403, message: 'No.' }, 403, 'provider_error', 'permission_error', /^No\.$/],
    [
      { status: 404, code: 'model_not_found', message: 'No.' },
      404,
      'model_not_found',
      'not_found_error',
      /^No\.$/,
    ],
    [{ status: 404 }, 404, 'provider_error', 'not_found_error', /'openai' answered with status 404/],
    [{ status: 409 }, 409, 'provider_error', 'conflict_error', /409/],
    [{ status: 413 }, 413, 'provider_error', 'invalid_request_error', /413/],
    [{ status: 422 }, 422, 'provider_error', 'invalid_request_error', /422/],
    [{ status: 429 }, 429, 'rate_limit_exceeded', 'rate_limit_error', /429/],
    [{ status: 429, code: 'slow_down' }, 429, 'slow_down', 'rate_limit_error', /429/],
    [
      { status: 429, code: 'insufficient_quota', nativeCode: 'insufficient_quota', message: 'Pay.' },
      429,
      'insufficient_quota',
      'insufficient_quota',
      /^Pay\.$/,
    ],
    [{ status: 500 }, 500, 'provider_error', 'server_error', /500/],
    [{ status: 500, code: 'server_error' }, 500, 'server_error', 'server_error', /500/],
    [{ status: 503, code: 'server_is_overloaded' }, 503, 'server_is_overloaded', 'server_error', /503/],
    [{ status: 529 }, 529, 'provider_error', 'server_error', /529/],
  ]
  it.each(rows)('%j → %i %s', (parts, status, code, type, message) => {
    const error = answer(parts)
    expect(error).toBeInstanceOf(ApiError)
    expect(error).toMatchObject({ status, code, type })
    expect(error.message).toMatch(message)
    // It can be sent: the status is one that a response may have.
    expect(Response.json(error.toBody(), { status: error.status, headers: error.headers }).status).toBe(
      status,
    )
  })

  it.each([401, 'timeout', 'unreachable', 'garbled'] as const)(
    '%s: nothing that was said is repeated',
    status => {
      const secret = 'S3CR3T'
      const { nativeCode, ...parts } = fault({ status, message: secret })
      expect(JSON.stringify(answer({ ...parts, nativeCode }).toBody())).not.toContain(secret)
    },
  )

  it("names the provider, its status and its code beside OpenAI's own fields", () => {
    const body = answer({ status: 503, nativeCode: 'brand_new', param: 'model' }).toBody()
    expect(body).toEqual({
      error: {
        message: "The provider 'openai' answered with status 503.",
        type: 'server_error',
        param: 'model',
        code: 'provider_error',
        tunegate: { provider: 'openai', native_status: 503, native_code: 'brand_new' },
      },
    })
    expect(answer({ status: 'timeout' }).tunegate).toEqual({
      provider: 'openai',
      native_status: null,
      native_code: null,
    })
  })

  it('passes on how long to wait', () => {
    expect(answer({ status: 429, retryAfter: '7' }).headers).toEqual({ 'retry-after': '7' })
    expect(answer({ status: 429 }).headers).toEqual({})
  })

  it('keeps the fault as its cause, whose own message says nothing', () => {
    const thrown = new ProviderFault('openai', fault({ status: 400, message: 'a secret' }))
    expect(toAnswerError(thrown).cause).toBe(thrown)
    expect(thrown.message).toBe('openai: 400')
  })

  it('is made of faults only', () => {
    for (const other of [
      new ApiError({ status: 418, code: 'conflict', message: 'x' }),
      new Error('x'),
      'x',
      undefined,
    ]) {
      expect(asAnswerError(other)).toBe(other)
    }
    expect(asAnswerError(new ProviderFault('openai', fault({})))).toBeInstanceOf(ApiError)
  })
})
