/**
 * Delivers: one attempt at a time, by one worker at a time, until it is heard or given up.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { forEach } from '../each.ts'
import type { DeliveryError } from '../openai/index.ts'
import { listDue } from '../platform/index.ts'
import { DELIVERIES, type DeliveryRecord, ENDPOINTS, OWNER_SECRETS, targetId } from './records.ts'
import { delayAfter, type Outcome } from './retries.ts'
import { openSecrets, type StoredSecret } from './secrets.ts'
import { send } from './send.ts'

/** Seconds: longer than an attempt may take, so that no one else begins meanwhile. */
const LEASE = 30
/** Of each delivery's log. */
const MOST_ATTEMPTS_KEPT = 30
/** Seconds that a delivery is kept after its end. */
const KEPT = 30 * 86_400
/** Seconds: what is due sooner is put in the queue, whose longest delay on any platform this is. The rest is the schedule's. */
const LONGEST_QUEUE_DELAY = 900

/** Takes a delivery that is due. What the log says of the attempt holds if nothing more is heard of it. */
const lease = async (context: Context, id: string): Promise<DeliveryRecord | null> => {
  const now = nowSeconds(context)
  let leased = null as DeliveryRecord | null
  await DELIVERIES.update(context.platform.store, id, delivery => {
    leased = null
    if (delivery.status !== 'pending' || delivery.due_at > now) return delivery
    leased = {
      ...delivery,
      tries: delivery.tries + 1,
      due_at: now + LEASE,
      leased_until: now + LEASE,
      attempts: [
        ...delivery.attempts.slice(1 - MOST_ATTEMPTS_KEPT),
        { attempted_at: now, status_code: null, duration_ms: null, error: 'interrupted' },
      ],
    }
    return leased
  })
  return leased
}

type Receiver = { url: string; secrets: StoredSecret[]; about: string } | { error: DeliveryError }

const receiverOf = async (
  { platform: { store } }: Context,
  { target, owner }: DeliveryRecord,
): Promise<Receiver> => {
  if ('job' in target) {
    const secrets = (await OWNER_SECRETS.get(store, owner))?.value.secrets ?? []
    return { url: target.url, secrets, about: owner }
  }
  const endpoint = (await ENDPOINTS.get(store, target.endpoint))?.value
  if (!endpoint) return { error: 'endpoint_deleted' }
  if (endpoint.disabled !== null) return { error: 'endpoint_disabled' }
  return { url: endpoint.url, secrets: endpoint.secrets, about: endpoint.id }
}

const attempt = async (context: Context, delivery: DeliveryRecord): Promise<Outcome> => {
  const receiver = await receiverOf(context, delivery)
  if ('error' in receiver) return { status_code: null, error: receiver.error }
  const { id, body } = delivery
  const { url, secrets, about } = receiver
  // Without the deployment's key there is nothing to sign with: that is mended by its operator, so it is tried again.
  const opened = await openSecrets(context.platform, secrets, about, nowSeconds(context)).catch(() => [])
  return send(context, { id, url, body, secrets: opened })
}

/** What an outcome means for the endpoint. Before the delivery's own end is stored: it may be repeated. */
const judgeEndpoint = async (
  context: Context,
  { target }: DeliveryRecord,
  { error }: Outcome,
  isOver: boolean,
): Promise<void> => {
  if ('job' in target) return
  const now = nowSeconds(context)
  await ENDPOINTS.update(context.platform.store, target.endpoint, endpoint => {
    if (error === 'gone') return { ...endpoint, disabled: 'gone', updated_at: now }
    const failing_since =
      error === null ? null : isOver ? (endpoint.failing_since ?? now) : endpoint.failing_since
    return failing_since === endpoint.failing_since ? endpoint : { ...endpoint, failing_since }
  })
}

/** Stores what came of an attempt. */
const settle = async (
  context: Context,
  leased: DeliveryRecord,
  outcome: Outcome,
  durationMs: number,
): Promise<void> => {
  const { store, queue } = context.platform
  const now = nowSeconds(context)
  const delay = delayAfter(outcome, leased.tries, Math.random())
  const { status_code, error } = outcome
  await judgeEndpoint(context, leased, outcome, delay === undefined)
  await DELIVERIES.update(store, leased.id, delivery => {
    const isOurs = delivery.leased_until === leased.leased_until && delivery.tries === leased.tries
    // Whoever took over after our lease goes on by themselves, unless there is nothing left to do.
    if (!isOurs && error !== null) return delivery
    const attempts = delivery.attempts.map((logged, index) =>
      isOurs && index === delivery.attempts.length - 1
        ? { ...logged, status_code, error, duration_ms: durationMs }
        : logged,
    )
    if (delay !== undefined) return { ...delivery, attempts, due_at: now + delay, leased_until: 0 }
    const status = error === null ? 'succeeded' : 'failed'
    return { ...delivery, attempts, status, due_at: now + KEPT, leased_until: 0 }
  })
  if (delay !== undefined && delay <= LONGEST_QUEUE_DELAY)
    await queue.enqueue({ type: 'webhook', id: leased.id }, delay)
}

const deliverOnce = async (context: Context, id: string): Promise<Outcome | undefined> => {
  const leased = await lease(context, id)
  if (!leased) return undefined
  const { clock } = context.platform
  const begun = clock.now()
  const outcome = await attempt(context, leased)
  await settle(context, leased, outcome, clock.now() - begun)
  return outcome
}

/** Attempts one delivery if it is due (the task `webhook`). */
export const deliver = async (context: Context, id: string): Promise<void> => {
  await deliverOnce(context, id)
}

/** Receivers that are told at once. Workers hold six connections open at a time. */
const RECEIVERS_AT_ONCE = 6
/** How many times as many are looked through as are attempted: what one receiver has waiting must not hide the others'. */
const LOOKED_THROUGH = 4
/** Seconds by which a receiver that did not answer is left alone. */
const PAUSE = 60

const isSilence = (outcome: Outcome | undefined) =>
  outcome?.error === 'timeout' || outcome?.error === 'unreachable'

/** Puts off a delivery without counting it as an attempt. */
const putOff = async (context: Context, { id }: DeliveryRecord): Promise<void> => {
  const now = nowSeconds(context)
  await DELIVERIES.update(context.platform.store, id, delivery =>
    delivery.status === 'pending' && delivery.due_at <= now ? { ...delivery, due_at: now + PAUSE } : delivery,
  )
}

/** Delivers what is due, as the schedule's duty: fairly among receivers, and none of them keeps the others waiting. */
export const deliverDue = async (context: Context, limit: number): Promise<void> => {
  const { store } = context.platform
  const due = await listDue(store, DELIVERIES, nowSeconds(context), limit * LOOKED_THROUGH)
  const receivers = [...Map.groupBy(due, ({ target }) => targetId(target)).values()]
  const share = Math.ceil(limit / receivers.length)
  await forEach(receivers.slice(0, limit), RECEIVERS_AT_ONCE, async waiting => {
    for (const [index, { id }] of waiting.slice(0, share).entries()) {
      if (!isSilence(await deliverOnce(context, id))) continue
      return forEach(waiting.slice(index + 1), RECEIVERS_AT_ONCE, delivery => putOff(context, delivery))
    }
  })
}
