/**
 * Webhook endpoints as OpenAI's API has them (its SDK's `client.webhooks`; its published specification has only the events),
 * and what the gateway adds. Times are Unix seconds.
 * @module
 */
import * as z from 'zod'
import { pageQuery } from './paging.ts'

/** Every event that is sent. OpenAI's names where it has one; the gateway's own begin with `tunegate.`. */
export const WEBHOOK_EVENT_TYPES = [
  'fine_tuning.job.succeeded',
  'fine_tuning.job.failed',
  'fine_tuning.job.cancelled',
  'tunegate.job.attempt_failed',
  'tunegate.job.overdue',
  'tunegate.budget.alert',
  'tunegate.model.retiring',
] as const
export type WebhookEventType = (typeof WEBHOOK_EVENT_TYPES)[number]

/** What a receiver gets: as much as it needs to ask for the rest. */
export interface WebhookEvent {
  id: string
  object: 'event'
  type: WebhookEventType
  created_at: number
  data: Record<string, unknown>
}

const LONGEST_URL = 2048
/** Whether its host may be called is for the transport's guard to say. */
export const webhookUrl = z.url({ protocol: /^https?$/ }).max(LONGEST_URL)

const endpointFields = {
  name: z.string().min(1).max(128),
  url: webhookUrl,
  event_types: z
    .array(z.enum(WEBHOOK_EVENT_TYPES))
    .min(1)
    .transform(types => [...new Set(types)]),
}

export const webhookEndpointRequest = z.strictObject(endpointFields)
export type WebhookEndpointRequest = z.infer<typeof webhookEndpointRequest>

export const webhookEndpointUpdate = z
  .strictObject({
    ...endpointFields,
    /** The gateway's own: nothing is sent to a disabled endpoint. */
    status: z.enum(['enabled', 'disabled']),
  })
  .partial()
export type WebhookEndpointUpdate = z.infer<typeof webhookEndpointUpdate>

export const webhookRotation = z.strictObject({
  keep_old_secret_active_for_24_hours: z.boolean().default(false),
})

export const webhookTest = z.strictObject({ event_type: z.enum(WEBHOOK_EVENT_TYPES) })

export const webhookEndpointsQuery = z.strictObject(pageQuery(100, 20))
export const deliveriesQuery = z.strictObject(pageQuery(100, 20))

export interface WebhookEndpointObject {
  id: string
  object: 'webhook_endpoint'
  created_at: number
  updated_at: number
  name: string
  url: string
  event_types: WebhookEventType[]
  signing_secret_hint: string
  tunegate: {
    status: 'enabled' | 'disabled'
    /** `gone`: the endpoint answered 410. */
    disabled_reason: 'gone' | 'by_owner' | null
    /** When a delivery was given up after all its attempts, none having succeeded since. */
    failing_since: number | null
  }
}

/** As it is answered when the secret is made, and never again. */
export interface WebhookEndpointWithSecretObject extends WebhookEndpointObject {
  signing_secret: string
}

export interface WebhookTestObject {
  object: 'webhook_endpoint.test'
  event_type: WebhookEventType
  status_code: number
  success: true
  webhook_endpoint_id: string
}

export type DeliveryStatus = 'pending' | 'succeeded' | 'failed'

/** Why an attempt did not succeed. */
export type DeliveryError =
  /** Neither a 2xx nor a 410. */
  | 'status'
  /** A 410: nothing is wanted there any more. */
  | 'gone'
  | 'redirected'
  | 'timeout'
  | 'unreachable'
  | 'host_forbidden'
  | 'endpoint_disabled'
  | 'endpoint_deleted'
  /** The deployment cannot open the signing secret: its encryption key is missing or another one. */
  | 'secret_unreadable'
  /** The gateway was stopped before it knew the outcome; also of an attempt that is under way. */
  | 'interrupted'

export interface DeliveryAttempt {
  attempted_at: number
  status_code: number | null
  /** Milliseconds. */
  duration_ms: number | null
  error: DeliveryError | null
}

export interface DeliveryObject {
  /** The `webhook-id` of every attempt. */
  id: string
  object: 'webhook_endpoint.delivery'
  webhook_endpoint_id: string | null
  /** Of a delivery to a job's own `webhook_url`. */
  fine_tuning_job_id: string | null
  event_id: string
  event_type: WebhookEventType
  created_at: number
  status: DeliveryStatus
  next_attempt_at: number | null
  attempts: DeliveryAttempt[]
}

/** What signs deliveries to the `webhook_url` of an owner's jobs. */
export interface WebhookSecretObject {
  object: 'tunegate.webhook_secret'
  signing_secret: string
  signing_secret_hint: string
  created_at: number
  updated_at: number
}
