/**
 * An owner's webhook endpoints.
 * @module
 */
import { type Context, newId, nowSeconds } from '../context.ts'
import {
  ApiError,
  badRequest,
  type EndedList,
  endedList,
  notFound,
  type WebhookEndpointObject,
  type WebhookEndpointRequest,
  type WebhookEndpointUpdate,
  type WebhookEndpointWithSecretObject,
  type WebhookEventType,
  type WebhookTestObject,
} from '../openai/index.ts'
import type { PageQuery } from '../platform/index.ts'
import { ENDPOINTS, type EndpointRecord } from './records.ts'
import { hintOf, issueSecret, openSecrets, rotated } from './secrets.ts'
import { send } from './send.ts'

/** Endpoints of one owner: each event asks for all of them. */
export const MOST_ENDPOINTS = 50

const PARAM = 'webhook_endpoint_id'

const toObject = (endpoint: EndpointRecord): WebhookEndpointObject => ({
  id: endpoint.id,
  object: 'webhook_endpoint',
  created_at: endpoint.created_at,
  updated_at: endpoint.updated_at,
  name: endpoint.name,
  url: endpoint.url,
  event_types: endpoint.event_types,
  signing_secret_hint: hintOf(endpoint.secrets),
  tunegate: {
    status: endpoint.disabled === null ? 'enabled' : 'disabled',
    disabled_reason: endpoint.disabled,
    failing_since: endpoint.failing_since,
  },
})

const unknown = (id: string): ApiError =>
  notFound('webhook_endpoint_not_found', PARAM, `No such webhook endpoint: '${id}'.`)

/** An endpoint of this owner. @throws {ApiError} 404, for someone else's too */
const find = async ({ platform }: Context, owner: string, id: string): Promise<EndpointRecord> => {
  const endpoint = (await ENDPOINTS.get(platform.store, id))?.value
  if (endpoint?.owner !== owner) throw unknown(id)
  return endpoint
}

/** Changes an endpoint; returning the same object changes nothing. */
const change = async (
  context: Context,
  owner: string,
  id: string,
  how: (endpoint: EndpointRecord) => EndpointRecord,
): Promise<EndpointRecord> => {
  await find(context, owner, id)
  const updated = await ENDPOINTS.update(context.platform.store, id, how)
  if (!updated) throw unknown(id)
  return updated
}

/**
 * Makes an endpoint (`POST /v1/webhook_endpoints`). Only this answer has the secret.
 * @throws {ApiError} 400 for a URL that may not be called; 500 when the deployment cannot keep secrets
 */
export const createEndpoint = async (
  context: Context,
  owner: string,
  { name, url, event_types }: WebhookEndpointRequest,
): Promise<WebhookEndpointWithSecretObject> => {
  context.transport.assertCallable(new URL(url), 'url')
  const { store } = context.platform
  const { items } = await ENDPOINTS.list(store, 'owner', owner, { limit: MOST_ENDPOINTS })
  if (items.length >= MOST_ENDPOINTS) {
    throw badRequest(
      null,
      `There are ${MOST_ENDPOINTS} webhook endpoints, which is the most: delete one first.`,
    )
  }
  const id = newId(context, 'whe_')
  const { secret, stored } = await issueSecret(context.platform, id)
  const now = nowSeconds(context)
  const endpoint: EndpointRecord = {
    id,
    owner,
    name,
    url,
    event_types,
    secrets: [stored],
    created_at: now,
    updated_at: now,
    disabled: null,
    failing_since: null,
  }
  // Made before by the same request, whose answer no one has seen: its secret, too, is this one's.
  if (!(await ENDPOINTS.create(store, endpoint))) await ENDPOINTS.update(store, id, () => endpoint)
  return { ...toObject(endpoint), signing_secret: secret }
}

/** A page of endpoints, newest first. */
export const listEndpoints = async (
  { platform }: Context,
  owner: string,
  query: PageQuery,
): Promise<EndedList<WebhookEndpointObject>> => {
  const { items, hasMore } = await ENDPOINTS.list(platform.store, 'owner', owner, query)
  return endedList(items.map(toObject), hasMore)
}

export const getEndpoint = async (
  context: Context,
  owner: string,
  id: string,
): Promise<WebhookEndpointObject> => toObject(await find(context, owner, id))

/** Changes what is named (`POST /v1/webhook_endpoints/{id}`). A new URL is given a new chance. */
export const updateEndpoint = async (
  context: Context,
  owner: string,
  id: string,
  { status, ...fields }: WebhookEndpointUpdate,
): Promise<WebhookEndpointObject> => {
  if (fields.url !== undefined) context.transport.assertCallable(new URL(fields.url), 'url')
  const now = nowSeconds(context)
  const updated = await change(context, owner, id, endpoint => {
    const isMoved = fields.url !== undefined && fields.url !== endpoint.url
    const isRevived = status === 'enabled' || (status === undefined && isMoved)
    const next: EndpointRecord = {
      ...endpoint,
      name: fields.name ?? endpoint.name,
      url: fields.url ?? endpoint.url,
      event_types: fields.event_types ?? endpoint.event_types,
      ...(isRevived && { disabled: null, failing_since: null }),
      ...(status === 'disabled' && { disabled: endpoint.disabled ?? 'by_owner' }),
    }
    return JSON.stringify(next) === JSON.stringify(endpoint) ? endpoint : { ...next, updated_at: now }
  })
  return toObject(updated)
}

/** Deletes an endpoint. What is still to be delivered to it never is. */
export const deleteEndpoint = async (context: Context, owner: string, id: string): Promise<void> => {
  await find(context, owner, id)
  await ENDPOINTS.delete(context.platform.store, id)
}

/** Gives an endpoint a new secret (`POST …/rotate_secret`). @param keepsOld both sign for another day */
export const rotateEndpointSecret = async (
  context: Context,
  owner: string,
  id: string,
  keepsOld: boolean,
): Promise<WebhookEndpointWithSecretObject> => {
  await find(context, owner, id)
  const { secret, stored } = await issueSecret(context.platform, id)
  const now = nowSeconds(context)
  const updated = await change(context, owner, id, endpoint => ({
    ...endpoint,
    secrets: rotated(endpoint.secrets, stored, keepsOld, now),
    updated_at: now,
  }))
  return { ...toObject(updated), signing_secret: secret }
}

/**
 * Sends a sample, once and now (`POST …/test`). It changes nothing about the endpoint and is not logged.
 * @throws {ApiError} 502 when the endpoint gives no answer at all
 */
export const testEndpoint = async (
  context: Context,
  owner: string,
  id: string,
  type: WebhookEventType,
): Promise<WebhookTestObject> => {
  const { url, secrets } = await find(context, owner, id)
  const { platform } = context
  const now = nowSeconds(context)
  const sample = {
    id: platform.ids.next('evt_test'),
    object: 'event',
    type,
    created_at: now,
    data: { id: 'ftjob-test' },
  }
  const { status_code, error } = await send(context, {
    id: platform.ids.next('whd_test'),
    url,
    body: JSON.stringify(sample),
    secrets: await openSecrets(platform, secrets, id, now),
  })
  if (status_code !== null) {
    return {
      object: 'webhook_endpoint.test',
      event_type: type,
      status_code,
      success: true,
      webhook_endpoint_id: id,
    }
  }
  throw new ApiError({
    status: 502,
    code: 'webhook_undelivered',
    param: PARAM,
    message: `The endpoint gave no answer: ${error}.`,
    headers: { 'x-should-retry': 'false' },
  })
}
