/** `/webhooks/…`: what providers tell of their own accord. It proves itself, and only makes us ask. */
import { Hono } from 'hono'
import type { Context } from '../shared/context.ts'
import { readEvent, readPush } from '../shared/providers/index.ts'
import { refreshNative } from '../shared/training/index.ts'
import { isFirstHeard } from '../shared/webhooks/index.ts'
import { type AppEnv, jsonLimit, logFailure } from './http.ts'

/** The providers that tell, by the path they are given. Whoever knows one of these paths may call it. */
const SENDERS = { openai: 'openai', azure: 'azure', vertex: 'vertex_ai', bedrock: 'bedrock' } as const

/** Bytes: several times what any of them sends, and little enough to be read before it is proved. */
const LARGEST_MESSAGE = 1024 * 1024

/** Asks about the jobs a message names. Those that are not ours are only counted. */
const follow = async (
  context: Context,
  requestId: string,
  { connection, nativeIds }: Pick<ReturnType<typeof readEvent>[number], 'connection' | 'nativeIds'>,
): Promise<void> => {
  for (const nativeId of nativeIds) {
    if ((await refreshNative(context, connection, nativeId)) > 0) continue
    const { name } = connection
    console.info(
      JSON.stringify({ level: 'info', request_id: requestId, webhook: 'unknown job', connection: name }),
    )
  }
}

/** Takes an event of the platform (EventBridge) as a provider's message. What cannot be asked now is asked by the schedule. */
export const takeEvent = async (
  context: Context,
  requestId: string,
  provider: string,
  event: unknown,
): Promise<void> => {
  for (const read of readEvent(context, provider, event)) {
    if (!(await isFirstHeard(context, read.connection.name, read.id))) continue
    await follow(context, requestId, read).catch((error: unknown) => logFailure(requestId, error))
  }
}

export const webhooks = new Hono<AppEnv>()

for (const [path, provider] of Object.entries(SENDERS)) {
  webhooks.post(`/${path}`, jsonLimit(LARGEST_MESSAGE), async c => {
    const { config, platform, transport, caches } = c.var.context
    // Nothing of the sender's request but the message counts from here on.
    const context: Context = { config, platform, transport, caches }
    const message = { headers: c.req.raw.headers, body: await c.req.text() }
    const read = await readPush(context, provider, message)
    if (await isFirstHeard(context, read.connection.name, read.id)) {
      const { requestId } = c.var
      platform.defer(follow(context, requestId, read).catch((error: unknown) => logFailure(requestId, error)))
    }
    return c.json({ received: true })
  })
}
