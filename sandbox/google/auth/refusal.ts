/** A refused caller in the newer APIs' error object. */
import { errorInfo, GoogleError } from '../errors.ts'
import type { AccessFault, NoAccess } from './bearer.ts'

const FAULTS: Record<AccessFault, (message: string) => GoogleError> = {
  missing: () =>
    new GoogleError(
      'UNAUTHENTICATED',
      'Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other valid authentication credential.',
      [errorInfo('CREDENTIALS_MISSING')],
    ),
  invalid: message =>
    new GoogleError(
      'UNAUTHENTICATED',
      `Request had invalid authentication credentials. Expected OAuth 2 access token. ${message}`,
      [errorInfo('ACCESS_TOKEN_TYPE_UNSUPPORTED')],
    ),
  scope: message =>
    new GoogleError('PERMISSION_DENIED', message, [errorInfo('ACCESS_TOKEN_SCOPE_INSUFFICIENT')]),
  federated: message => new GoogleError('PERMISSION_DENIED', message, [errorInfo('IAM_PERMISSION_DENIED')]),
}

/** 401 UNAUTHENTICATED or 403 PERMISSION_DENIED, with the reason in the details. */
export const refusalOf = ({ fault, message }: NoAccess): GoogleError => FAULTS[fault](message)
