/**
 * From something that happened to one delivery for each who wants to know, written before anything is sent.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { sha256, type WebhookEvent, type WebhookEventType } from '../openai/index.ts'
import { bytesToBase62, toBase62 } from '../platform/index.ts'
import { MOST_ENDPOINTS } from './endpoints.ts'
import { DELIVERIES, type DeliveryRecord, ENDPOINTS, type Target, targetId } from './records.ts'

/** Digits of base 62 that an id takes of a hash. */
const HASH_DIGITS = 22

const hashed = async (...parts: string[]): Promise<string> =>
  bytesToBase62(await sha256(parts.join('\n'))).slice(0, HASH_DIGITS)

/** What happened. Who emits it again says the same again, to the second: then no one is told twice. */
export interface Happening {
  type: WebhookEventType
  /** What it happened to, and, where that can happen more than once, which time. */
  subject: string
  /** Unix seconds. */
  at: number
  data: Record<string, unknown>
  /** The job's own wish to be told, beside the owner's endpoints. */
  callback?: { job: string; url: string } | undefined
}

const toEvent = async ({ type, subject, at, data }: Happening): Promise<WebhookEvent> => ({
  id: `evt_${await hashed(type, subject)}`,
  object: 'event',
  type,
  created_at: at,
  data,
})

/** Ids of deliveries sort by the time of their events, and follow from event and target. */
const toDelivery = async (
  owner: string,
  target: Target,
  event: WebhookEvent,
  now: number,
): Promise<DeliveryRecord> => ({
  id: `whd_${toBase62(event.created_at * 1000, 8)}${await hashed(event.id, targetId(target))}`,
  owner,
  target,
  event: { id: event.id, type: event.type },
  body: JSON.stringify(event),
  created_at: event.created_at,
  status: 'pending',
  tries: 0,
  due_at: now,
  leased_until: 0,
  attempts: [],
})

const targetsOf = async (
  { platform }: Context,
  owner: string,
  { type, callback }: Happening,
): Promise<Target[]> => {
  const { items } = await ENDPOINTS.list(platform.store, 'owner', owner, { limit: MOST_ENDPOINTS })
  const wanting = items.filter(({ disabled, event_types }) => disabled === null && event_types.includes(type))
  return [...wanting.map(({ id }) => ({ endpoint: id })), ...(callback ? [callback] : [])]
}

/** Tells everyone of the owner's who wants to know. Doing it again makes no second delivery. */
export const emit = async (context: Context, owner: string, happening: Happening): Promise<void> => {
  const { store, queue } = context.platform
  const event = await toEvent(happening)
  for (const target of await targetsOf(context, owner, happening)) {
    const delivery = await toDelivery(owner, target, event, nowSeconds(context))
    if (await DELIVERIES.create(store, delivery)) await queue.enqueue({ type: 'webhook', id: delivery.id })
  }
}
