/**
 * Bedrock tells EventBridge, which tells the gateway: through an API destination whose connection adds a secret as its key, or
 * as an event of the platform the gateway runs on.
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

const jobIn = (event: unknown): { id: string; nativeIds: string[] } | undefined => {
  const { success, data } = stateChange.safeParse(event)
  return success ? { id: data.id, nativeIds: [data.detail.jobArn] } : undefined
}

export const push: Push = {
  settings: ['webhookSecret'],
  async read({ webhookSecret = '' }, { headers, body }) {
    // Digests are compared, so that the time taken tells nothing of the secret.
    if ((await digest(headers.get('x-api-key') ?? '')) !== (await digest(webhookSecret))) return undefined
    return jobIn(parseJson(body)) ?? { id: await digest(body), nativeIds: [] }
  },
  readEvent: jobIn,
}
