/**
 * What is kept of webhooks. See `docs/storage.md`.
 * @module
 */
import type { DeliveryAttempt, DeliveryStatus, WebhookEventType } from '../openai/index.ts'
import { collection, dueEntry } from '../platform/index.ts'
import type { StoredSecret } from './secrets.ts'

export interface EndpointRecord {
  id: string
  owner: string
  name: string
  url: string
  event_types: WebhookEventType[]
  /** The one that counts first. */
  secrets: StoredSecret[]
  /** Unix seconds. */
  created_at: number
  updated_at: number
  disabled: 'gone' | 'by_owner' | null
  failing_since: number | null
}

export const ENDPOINTS = collection<EndpointRecord, 'owner'>('webhook_endpoint', ({ id }) => id, {
  owner: { slot: 'a', entry: ({ id, owner }) => ({ partition: owner, sort: id }) },
})

/** Signs what goes to the `webhook_url` of the owner's jobs. */
export interface OwnerSecretRecord {
  owner: string
  secrets: StoredSecret[]
  created_at: number
  updated_at: number
}

export const OWNER_SECRETS = collection<OwnerSecretRecord>('webhook_secret', ({ owner }) => owner, {})

/** Where a delivery goes: an endpoint, or a URL that a job was given. */
export type Target = { endpoint: string } | { job: string; url: string }

export const targetId = (target: Target): string => ('endpoint' in target ? target.endpoint : target.job)

export interface DeliveryRecord {
  /** Follows from the event and the target: telling the same twice makes one delivery. It is the `webhook-id`. */
  id: string
  owner: string
  target: Target
  event: { id: string; type: WebhookEventType }
  /** What is sent, to the byte. */
  body: string
  /** Unix seconds, as are all times here. */
  created_at: number
  status: DeliveryStatus
  /** Attempts begun since it was last started anew: its place in the schedule. */
  tries: number
  /** When it is to be attempted; when it is over, to be removed. */
  due_at: number
  /** Until when someone is at it. */
  leased_until: number
  attempts: DeliveryAttempt[]
}

export const DELIVERIES = collection<DeliveryRecord, 'target' | 'due'>('webhook_delivery', ({ id }) => id, {
  target: { slot: 'a', entry: ({ id, target }) => ({ partition: targetId(target), sort: id }) },
  due: {
    slot: 'b',
    entry: ({ id, status, due_at }) => dueEntry(due_at, id, status === 'pending' ? 'due' : 'expired'),
  },
})

/** A provider's message that has been acted on. */
export interface HeardRecord {
  id: string
  /** When no one can send it again. */
  expires_at: number
}

export const HEARD = collection<HeardRecord, 'due'>('webhook_heard', ({ id }) => id, {
  due: { slot: 'b', entry: ({ id, expires_at }) => dueEntry(expires_at, id, 'expired') },
})
