import { describe, expect, it } from 'vitest'
import type { DeliveryError } from '../../../shared/openai/index.ts'
import { delayAfter, SCHEDULE } from '../../../shared/webhooks/retries.ts'

const failed = (error: DeliveryError = 'status', retryAfterMs?: number) => ({
  status_code: null,
  error,
  retryAfterMs,
})

describe('the schedule of retries', () => {
  it.each([
    [1, 5],
    [2, 300],
    [3, 1800],
    [4, 7200],
    [5, 18_000],
    [6, 36_000],
    [7, 50_400],
    [8, 72_000],
    [9, 86_400],
  ])('after attempt %d waits %d s, and up to a fifth more', (tries, seconds) => {
    expect(delayAfter(failed(), tries, 0)).toBe(seconds)
    expect(delayAfter(failed(), tries, 0.999999)).toBe(Math.ceil(seconds * 1.2))
  })

  it('ends with the tenth attempt', () => {
    expect(SCHEDULE).toHaveLength(10)
    expect(delayAfter(failed(), 10, 0)).toBeUndefined()
  })

  it.each<DeliveryError>(['gone', 'host_forbidden', 'endpoint_disabled', 'endpoint_deleted'])(
    'ends at once with %s',
    error => expect(delayAfter(failed(error), 1, 0)).toBeUndefined(),
  )

  it.each<DeliveryError>(['status', 'redirected', 'timeout', 'unreachable', 'secret_unreadable'])(
    'goes on after %s',
    error => expect(delayAfter(failed(error), 1, 0)).toBe(5),
  )

  it.each([
    ['longer than the schedule is honoured', 600_000, 600],
    ['shorter than the schedule changes nothing', 1000, 5],
    ['beyond a day is cut to a day', 1e12, 86_400],
  ])('a Retry-After that is %s', (_what, asked, seconds) => {
    expect(delayAfter(failed('status', asked), 1, 0)).toBe(seconds)
  })

  it('is over when the message was heard', () => {
    expect(delayAfter({ status_code: 204, error: null }, 1, 0)).toBeUndefined()
  })
})
