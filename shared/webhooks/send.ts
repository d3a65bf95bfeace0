/**
 * One signed message to one receiver (Standard Webhooks).
 * @module
 */
import { Webhook } from 'standardwebhooks'
import type { Context } from '../context.ts'
import { ApiError } from '../openai/index.ts'
import { retryAfterMs, TransportError } from '../transport.ts'
import type { Outcome } from './retries.ts'

const TIMEOUT_MS = 15_000

export interface Message {
  id: string
  url: string
  body: string
  /** Each signs it, so that a receiver may hold any of them. */
  secrets: string[]
}

/** Sends it once. Only what came of it is told: nothing the receiver says is read. */
export const send = async (
  { transport, platform }: Pick<Context, 'transport' | 'platform'>,
  { id, url, body, secrets }: Message,
): Promise<Outcome> => {
  if (secrets.length === 0) return { status_code: null, error: 'secret_unreadable' }
  const now = platform.clock.now()
  const signatures = secrets.map(secret => new Webhook(secret).sign(id, new Date(now), body))
  try {
    const { status, headers } = await transport.notify({
      method: 'POST',
      url: new URL(url),
      headers: {
        'content-type': 'application/json',
        'user-agent': 'Tunegate-Webhooks',
        'webhook-id': id,
        'webhook-timestamp': String(Math.floor(now / 1000)),
        'webhook-signature': signatures.join(' '),
      },
      body,
      // The record has its own schedule.
      repeat: 'never',
      timeoutMs: TIMEOUT_MS,
    })
    if (status >= 200 && status < 300) return { status_code: status, error: null }
    if (status === 410) return { status_code: status, error: 'gone' }
    return { status_code: status, error: 'status', retryAfterMs: retryAfterMs(headers, now) }
  } catch (error) {
    if (error instanceof TransportError) {
      return { status_code: null, error: error.reason === 'client_gone' ? 'interrupted' : error.reason }
    }
    if (error instanceof ApiError && error.code === 'host_forbidden')
      return { status_code: null, error: 'host_forbidden' }
    throw error
  }
}
