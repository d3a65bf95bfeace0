/**
 * The secret of an owner's jobs: each job may name a URL of its own, and all of them are signed alike.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { ApiError, type WebhookSecretObject } from '../openai/index.ts'
import { OWNER_SECRETS, type OwnerSecretRecord } from './records.ts'
import { hintOf, issueSecret, openSecrets, rotated } from './secrets.ts'

/** The record, made when it is first needed. @throws {ApiError} 500 when the deployment cannot keep secrets */
export const ensureOwnerSecret = async (context: Context, owner: string): Promise<OwnerSecretRecord> => {
  const { store } = context.platform
  const known = await OWNER_SECRETS.get(store, owner)
  if (known) return known.value
  const now = nowSeconds(context)
  const { stored } = await issueSecret(context.platform, owner)
  const record = { owner, secrets: [stored], created_at: now, updated_at: now }
  if (await OWNER_SECRETS.create(store, record)) return record
  // Someone else was faster: theirs is the one.
  return (await OWNER_SECRETS.get(store, owner))?.value ?? record
}

const toObject = (
  { secrets, created_at, updated_at }: OwnerSecretRecord,
  secret: string,
): WebhookSecretObject => ({
  object: 'tunegate.webhook_secret',
  signing_secret: secret,
  signing_secret_hint: hintOf(secrets),
  created_at,
  updated_at,
})

/** The secret that signs what goes to a job's `webhook_url` (`GET /v1/webhook_secret`). */
export const getOwnerSecret = async (context: Context, owner: string): Promise<WebhookSecretObject> => {
  const record = await ensureOwnerSecret(context, owner)
  const [secret] = await openSecrets(context.platform, record.secrets.slice(0, 1), owner, nowSeconds(context))
  if (secret !== undefined) return toObject(record, secret)
  throw new ApiError({
    status: 500,
    code: 'deployment_unconfigured',
    message: 'The secret was sealed under another TUNEGATE_ENCRYPTION_KEY: restore that one, or rotate.',
    headers: { 'x-should-retry': 'false' },
  })
}

/** Changes it (`POST /v1/webhook_secret/rotate`). */
export const rotateOwnerSecret = async (
  context: Context,
  owner: string,
  keepsOld: boolean,
): Promise<WebhookSecretObject> => {
  const known = await ensureOwnerSecret(context, owner)
  const now = nowSeconds(context)
  const { secret, stored } = await issueSecret(context.platform, owner)
  const updated = await OWNER_SECRETS.update(context.platform.store, owner, record => ({
    ...record,
    secrets: rotated(record.secrets, stored, keepsOld, now),
    updated_at: now,
  }))
  return toObject(updated ?? known, secret)
}
