/** Cloud Storage's own error object: `{"error": {code, message, errors: [{message, domain, reason}]}}`. */
import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { type AccessFault, NoAccess } from '../auth/bearer.ts'

export class StorageError extends Error {
  override readonly name = 'StorageError'
  readonly http: number
  readonly reason: string

  constructor(http: number, reason: string, message: string) {
    super(message)
    this.http = http
    this.reason = reason
  }

  get body() {
    const { http, reason, message } = this
    return { error: { code: http, message, errors: [{ message, domain: 'global', reason }] } }
  }
}

export const noBucket = (): StorageError =>
  new StorageError(404, 'notFound', 'The specified bucket does not exist.')

export const noObject = (bucket: string, name: string): StorageError =>
  new StorageError(404, 'notFound', `No such object: ${bucket}/${name}`)

export const invalid = (message: string): StorageError => new StorageError(400, 'invalid', message)

export const preconditionFailed = (): StorageError =>
  new StorageError(412, 'conditionNotMet', 'At least one of the pre-conditions you specified did not hold.')

const ACCESS: Record<AccessFault, { http: number; reason: string }> = {
  missing: { http: 401, reason: 'required' },
  invalid: { http: 401, reason: 'authError' },
  scope: { http: 403, reason: 'insufficientPermissions' },
  federated: { http: 403, reason: 'forbidden' },
}

export function answerStorageError(error: Error, context: Context): Response {
  const { http, body } = asStorageError(error)
  return context.json(body, http as ContentfulStatusCode)
}

function asStorageError(error: Error): StorageError {
  if (error instanceof StorageError) return error
  if (error instanceof NoAccess) {
    const { http, reason } = ACCESS[error.fault]
    return new StorageError(http, reason, error.message)
  }
  return new StorageError(500, 'backendError', `The sandbox failed: ${error.message}`)
}
