/**
 * What providers have told us, so that the same message is acted on once.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { sha256, toBase64 } from '../openai/index.ts'
import { removeExpired } from '../platform/index.ts'
import { HEARD } from './records.ts'

/** Seconds: longer than any sender's signature, token or retries last. */
const REMEMBERED = 86_400 + 3600

/** Whether a message is new. @param id the sender's own, the same whenever it is sent again */
export const isFirstHeard = async (context: Context, sender: string, id: string): Promise<boolean> =>
  HEARD.create(context.platform.store, {
    // Hashed: how long an id is, is up to the sender.
    id: toBase64(await sha256(`${sender}\n${id}`)),
    expires_at: nowSeconds(context) + REMEMBERED,
  })

/** Forgets what cannot come again, as the schedule's duty. */
export const forgetHeard = async (context: Context, limit: number): Promise<void> => {
  const now = nowSeconds(context)
  await removeExpired(context.platform.store, HEARD, now, limit, ({ expires_at }) => expires_at <= now)
}
