/** OpenAI's webhooks, as OpenAI sends them: Standard Webhooks, once. */
import { createHmac } from 'node:crypto'
import { newId, nowInSeconds } from './ids.ts'

export interface WebhookTarget {
  url: string
  /** `whsec_…` */
  secret: string
}

export interface WebhookEvent {
  id: string
  object: 'event'
  type: string
  created_at: number
  data: { id: string }
}

export const jobEnded = ({ id, status }: { id: string; status: string }): WebhookEvent => ({
  id: newId('evt_'),
  object: 'event',
  type: `fine_tuning.job.${status}`,
  created_at: nowInSeconds(),
  data: { id },
})

/** Headers that sign a body. @param at Unix seconds */
export const signatureHeaders = (
  secret: string,
  body: string,
  { id = newId('wh_'), at = nowInSeconds() }: { id?: string; at?: number } = {},
): Record<string, string> => {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
  const signature = createHmac('sha256', key).update(`${id}.${at}.${body}`).digest('base64')
  return { 'webhook-id': id, 'webhook-timestamp': String(at), 'webhook-signature': `v1,${signature}` }
}

export const sendWebhook = async ({ url, secret }: WebhookTarget, event: WebhookEvent): Promise<number> => {
  const body = JSON.stringify(event)
  const { status } = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...signatureHeaders(secret, body) },
    body,
  })
  return status
}
