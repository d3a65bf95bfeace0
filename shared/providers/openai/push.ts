/**
 * OpenAI's webhooks: Standard Webhooks, signed with the secret of the endpoint that was registered for the gateway.
 * Source: OpenAI's guide on webhooks.
 * @module
 */
import { Webhook } from 'standardwebhooks'
import * as z from 'zod'
import { parseJson } from '../json.ts'
import type { Push } from '../provider.ts'

const jobEvent = z.object({
  type: z.string().startsWith('fine_tuning.job.'),
  data: z.object({ id: z.string().min(1) }),
})

/** Checks the signature, and that it is not more than five minutes old. */
const isSigned = (secret: string, headers: Headers, body: string): boolean => {
  try {
    new Webhook(secret).verify(body, Object.fromEntries(headers), { jsonParse: false })
    return true
  } catch {
    return false
  }
}

export const push: Push = {
  settings: ['webhookSecret'],
  async read({ webhookSecret = '' }, { headers, body }) {
    if (!isSigned(webhookSecret, headers, body)) return undefined
    const event = jobEvent.safeParse(parseJson(body))
    return { id: headers.get('webhook-id') ?? '', nativeIds: event.success ? [event.data.data.id] : [] }
  },
}
