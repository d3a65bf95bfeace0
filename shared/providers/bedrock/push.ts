/**
 * Bedrock tells EventBridge, which tells the gateway through an API destination whose connection adds a secret as its key.
 * Source: Amazon Bedrock user guide, "Monitor Amazon Bedrock job state changes using Amazon EventBridge".
 * @module
 */
import * as z from 'zod'
import { sha256, toBase64 } from '../../openai/index.ts'
import { parseJson } from '../json.ts'
import type { Push } from '../provider.ts'

const stateChange = z.object({
  id: z.string().min(1),
  source: z.literal('aws.bedrock'),
  'detail-type': z.literal('Model Customization Job State Change'),
  detail: z.object({ jobArn: z.string().min(1) }),
})

const digest = async (text: string) => toBase64(await sha256(text))

export const push: Push = {
  settings: ['webhookSecret'],
  async read({ webhookSecret = '' }, { headers, body }) {
    // Digests are compared, so that the time taken tells nothing of the secret.
    if ((await digest(headers.get('x-api-key') ?? '')) !== (await digest(webhookSecret))) return undefined
    const event = stateChange.safeParse(parseJson(body))
    return event.success
      ? { id: event.data.id, nativeIds: [event.data.detail.jobArn] }
      : { id: await digest(body), nativeIds: [] }
  },
}
