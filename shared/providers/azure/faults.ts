/** Azure's error objects, of the resource and of the resource manager → canonical fault. */
import * as z from 'zod'
import type { ErrorCode } from '../../openai/index.ts'
import type { Answer } from '../../transport.ts'
import { parseJson } from '../json.ts'
import { toFault as openaiFault } from '../openai/faults.ts'
import type { Fault } from '../provider.ts'

/** Native code → canonical, and what is said in place of Azure's words where those do not help, or name who is calling. */
const CODES: ReadonlyMap<string, { code: ErrorCode; message?: string; param?: string }> = new Map([
  [
    'DeploymentNotFound',
    {
      code: 'model_not_found',
      param: 'model',
      message:
        'The Azure OpenAI resource was reached, but it has no deployment of this name. One that was made in the last minutes may not answer yet; an idle one may have been taken down by Azure.',
    },
  ],
  ['ResponsibleAIPolicyViolation', { code: 'content_filter' }],
  ['jsonlValidationFailed', { code: 'invalid_dataset' }],
  ['unexpectedEntityState', { code: 'invalid_state' }],
  [
    'AuthorizationFailed',
    {
      code: 'permission_denied',
      message:
        "Azure's resource manager was reached, but the application of this connection may not manage deployments in its subscription, resource group and account: it needs the action Microsoft.CognitiveServices/accounts/deployments/write.",
    },
  ],
  [
    'PermissionDenied',
    {
      code: 'permission_denied',
      message:
        'The Azure OpenAI resource was reached, but the application of this connection may not do this: to train it needs the role Cognitive Services OpenAI Contributor.',
    },
  ],
])

const filterResult = z.record(z.string(), z.unknown())
const hit = z.object({ filtered: z.literal(true) })
const inner = z.object({
  code: z.string().nullish(),
  content_filter_result: z.unknown(),
})
/** The inner object is spelled in either way, depending on the API. */
const errorBody = z.object({
  error: z.object({ inner_error: inner.nullish(), innererror: inner.nullish() }),
})

/** What the content filter found, e.g. `violence`. */
const filteredBy = (result: unknown): string[] => {
  const { data } = filterResult.safeParse(result)
  return Object.entries(data ?? {}).flatMap(([category, found]) =>
    hit.safeParse(found).success ? [category] : [],
  )
}

/** Azure names the wait in milliseconds where OpenAI does in seconds. */
const waitOf = (headers: Headers): string | null => {
  const milliseconds = Number(headers.get('retry-after-ms') || Number.NaN)
  return milliseconds >= 0 ? String(Math.ceil(milliseconds / 1000)) : null
}

export const toFault = (answer: Answer): Fault => {
  const fault = openaiFault(answer)
  const { error } = errorBody.safeParse(parseJson(answer.bytes)).data ?? {}
  const detail = error?.inner_error ?? error?.innererror
  const row = CODES.get(fault.nativeCode ?? '') ?? CODES.get(detail?.code ?? '')
  const filtered = filteredBy(detail?.content_filter_result)
  const message = row?.message ?? fault.message
  return {
    ...fault,
    code: row?.code ?? fault.code,
    message: message && filtered.length > 0 ? `${message} (filtered: ${filtered.join(', ')})` : message,
    param: row?.param ?? fault.param,
    retryAfter: fault.retryAfter ?? waitOf(answer.headers),
  }
}
