/**
 * What providers have told us, so that the same message is acted on once.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { forEach } from '../each.ts'
import { sha256, toBase64 } from '../openai/index.ts'
import { listDue } from '../platform/index.ts'
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

const FORGOTTEN_AT_ONCE = 6

/** Forgets what cannot come again, as the schedule's duty. */
export const forgetHeard = async (context: Context, limit: number): Promise<void> => {
  const { store } = context.platform
  const old = await listDue(store, HEARD, nowSeconds(context), limit, 'expired')
  await forEach(old, FORGOTTEN_AT_ONCE, ({ id }) => HEARD.delete(store, id))
}
