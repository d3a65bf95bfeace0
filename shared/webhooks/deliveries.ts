/**
 * The log of deliveries.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { type DeliveryObject, type EndedList, endedList, notFound } from '../openai/index.ts'
import { type PageQuery, removeExpired } from '../platform/index.ts'
import { DELIVERIES, type DeliveryRecord, targetId } from './records.ts'

const toObject = ({ target, event, ...delivery }: DeliveryRecord): DeliveryObject => ({
  id: delivery.id,
  object: 'webhook_endpoint.delivery',
  webhook_endpoint_id: 'endpoint' in target ? target.endpoint : null,
  fine_tuning_job_id: 'job' in target ? target.job : null,
  event_id: event.id,
  event_type: event.type,
  created_at: delivery.created_at,
  status: delivery.status,
  next_attempt_at: delivery.status === 'pending' ? delivery.due_at : null,
  attempts: delivery.attempts,
})

/** A page of what went, or is to go, to an endpoint or a job's own URL; newest first. */
export const listDeliveries = async (
  { platform }: Context,
  target: string,
  query: PageQuery,
): Promise<EndedList<DeliveryObject>> => {
  const { items, hasMore } = await DELIVERIES.list(platform.store, 'target', target, query)
  return endedList(items.map(toObject), hasMore)
}

/**
 * Starts a delivery anew, under its old id. One that is just being attempted is answered as it is.
 * @param target whose it must be
 * @throws {ApiError} 404
 */
export const redeliver = async (context: Context, target: string, id: string): Promise<DeliveryObject> => {
  const { store, queue } = context.platform
  const now = nowSeconds(context)
  const known = (await DELIVERIES.get(store, id))?.value
  const updated =
    known && targetId(known.target) === target
      ? await DELIVERIES.update(store, id, delivery =>
          delivery.status === 'pending' && delivery.leased_until > now
            ? delivery
            : { ...delivery, status: 'pending', tries: 0, due_at: now, leased_until: 0 },
        )
      : undefined
  if (!updated) throw notFound('delivery_not_found', 'delivery_id', `No such delivery: '${id}'.`)
  await queue.enqueue({ type: 'webhook', id })
  return toObject(updated)
}

/** Removes what has been over for long, as the schedule's duty. */
export const removeOldDeliveries = async (context: Context, limit: number): Promise<void> => {
  const now = nowSeconds(context)
  await removeExpired(
    context.platform.store,
    DELIVERIES,
    now,
    limit,
    ({ status, due_at }) => status !== 'pending' && due_at <= now,
  )
}
