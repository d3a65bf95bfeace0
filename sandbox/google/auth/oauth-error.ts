/** OAuth's error object: `{error, error_description}`. */
import type { Context } from 'hono'

export type OAuthCode =
  | 'invalid_request'
  | 'invalid_grant'
  | 'invalid_scope'
  | 'invalid_client'
  | 'invalid_target'
  | 'unsupported_grant_type'

/** A refusal by a token endpoint; always 400. */
export class OAuthError extends Error {
  override readonly name = 'OAuthError'
  readonly code: OAuthCode

  constructor(code: OAuthCode, description: string) {
    super(description)
    this.code = code
  }
}

/** Any failure as OAuth words it. */
export function answerOAuthError(error: Error, context: Context): Response {
  if (error instanceof OAuthError) {
    return context.json({ error: error.code, error_description: error.message }, 400)
  }
  return context.json({ error: 'internal_failure', error_description: error.message }, 500)
}

/**
 * The fields of a form.
 *
 * @throws {OAuthError} if the body is none, or lacks a required field
 */
export async function readForm(
  context: Context,
  required: readonly string[],
): Promise<(name: string) => string> {
  const type = context.req.header('content-type') ?? ''
  if (!type.startsWith('application/x-www-form-urlencoded')) {
    throw new OAuthError('invalid_request', 'The body must be application/x-www-form-urlencoded.')
  }
  const form = new URLSearchParams(await context.req.text())
  for (const name of required) {
    if (!form.get(name)) throw new OAuthError('invalid_request', `Missing parameter: ${name}`)
  }
  return name => form.get(name) ?? ''
}
