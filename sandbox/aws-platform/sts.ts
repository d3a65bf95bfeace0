/** `AssumeRoleWithWebIdentity`: a token that is known, against the keys of a role. Nothing about it is signed. */
import { ROLE_ARN, TEMPORARY } from '../aws/account.ts'

/** What the token's file would hold. */
export const WEB_IDENTITY_TOKEN = 'sandbox.web.identity'
const LIFE_MS = 3_600_000

const error = (code: string, message: string): Response =>
  new Response(
    `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error></ErrorResponse>`,
    { status: 400, headers: { 'content-type': 'text/xml' } },
  )

export const assumeRole = (form: URLSearchParams): Response => {
  if (form.get('Action') !== 'AssumeRoleWithWebIdentity' || form.get('Version') !== '2011-06-15')
    return error('InvalidAction', 'Could not find operation for version.')
  if (form.get('WebIdentityToken') !== WEB_IDENTITY_TOKEN)
    return error('InvalidIdentityToken', 'The token is not valid.')
  if (form.get('RoleArn') !== ROLE_ARN) return error('AccessDenied', 'Not authorized to perform this.')
  const end = new Date(Date.now() + LIFE_MS).toISOString()
  return new Response(
    `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>${TEMPORARY.accessKeyId}</AccessKeyId><SecretAccessKey>${TEMPORARY.secretAccessKey}</SecretAccessKey><SessionToken>${TEMPORARY.sessionToken}</SessionToken><Expiration>${end}</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`,
    { headers: { 'content-type': 'text/xml' } },
  )
}
