/** Azure's error objects. */
import type { Context } from 'hono'
import { newId } from '../ids.ts'
import { ApiError, type ErrorBody } from '../openai/errors.ts'

/** A refusal whose code is Azure's own; others are OpenAI's and get translated. */
export class AzureError extends ApiError {
  override name = 'AzureError'
}

export const resourceNotFound = (): AzureError => new AzureError(404, 'Resource not found', { code: '404' })

/** Codes of the authoring API (files, jobs), from the `ErrorCode` of Microsoft's specification 2024-10-21. */
const CODES: Record<string, string> = {
  invalid_jsonl: 'jsonlValidationFailed',
  file_not_processed: 'unexpectedEntityState',
  invalid_cancel_request: 'unexpectedEntityState',
  invalid_pause_request: 'unexpectedEntityState',
  invalid_resume_request: 'unexpectedEntityState',
}

const CODES_BY_STATUS: Record<number, string> = {
  400: 'invalidPayload',
  403: 'forbidden',
  404: 'notFound',
  409: 'conflict',
  413: 'invalidPayload',
}

/** Answers for files, jobs and models. */
export function answerAuthoringError(error: Error, context: Context): Response {
  return answer(error, context, ({ code, status }) =>
    code !== null && code in CODES ? CODES[code] : (CODES_BY_STATUS[status] ?? 'internalFailure'),
  )
}

/** Answers for chat, where Azure passes OpenAI's codes through. */
export function answerInferenceError(error: Error, context: Context): Response {
  return answer(error, context, ({ code }) => code)
}

type Translate = (error: ApiError) => string | null | undefined

function answer(error: Error, context: Context, translate: Translate): Response {
  const refusal =
    error instanceof ApiError ? error : new ApiError(500, `The sandbox failed: ${error.message}`)
  const code = refusal instanceof AzureError ? refusal.code : (translate(refusal) ?? null)
  const body: ErrorBody = { ...refusal.body, code }
  return context.json({ error: body }, refusal.status, { 'x-request-id': newId('', 32) })
}
