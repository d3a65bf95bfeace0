/** `api-version`: which ones there are, and what the oldest does not have. */
import type { MiddlewareHandler } from 'hono'
import { readJson } from '../openai/body.ts'
import { isRecord } from '../openai/jsonl.ts'
import { AzureError, resourceNotFound } from './errors.ts'

const GENERALLY_AVAILABLE = '2024-10-21'
const PREVIEW = '2025-04-01-preview'
const DATED: readonly string[] = [GENERALLY_AVAILABLE, PREVIEW]

/** On the v1 surface the version is optional and has two names. */
const V1: readonly string[] = ['v1', 'preview']

export const datedVersion: MiddlewareHandler = async ({ req }, next) => {
  const version = req.query('api-version')
  if (version === undefined || version === '') throw resourceNotFound()
  if (!DATED.includes(version)) {
    throw new AzureError(400, `API version '${version}' is not supported; try ${DATED.join(' or ')}.`, {
      code: 'BadRequest',
    })
  }
  await next()
}

export const v1Version: MiddlewareHandler = async ({ req }, next) => {
  const version = req.query('api-version')
  if (version !== undefined && !V1.includes(version)) {
    throw new AzureError(400, `API version '${version}' is not allowed on the v1 path.`, {
      code: 'BadRequest',
    })
  }
  await next()
}

/** A job's fields in Microsoft's specification of 2024-10-21: no method, no metadata, no training type. */
const FIRST_JOB_FIELDS: readonly string[] = [
  'model',
  'training_file',
  'validation_file',
  'hyperparameters',
  'suffix',
  'seed',
]

/** For `POST /fine_tuning/jobs` */
export const creationOfVersion: MiddlewareHandler = async (context, next) => {
  if (context.req.method === 'POST' && context.req.query('api-version') === GENERALLY_AVAILABLE) {
    const body = await readJson(context)
    const unknown = isRecord(body) && Object.keys(body).find(field => !FIRST_JOB_FIELDS.includes(field))
    if (unknown) {
      throw new AzureError(400, `API version ${GENERALLY_AVAILABLE} has no '${unknown}'; ${PREVIEW} has.`, {
        param: unknown,
        code: 'invalidPayload',
      })
    }
  }
  await next()
}

/** For pause and resume, which the same specification does not have. */
export const previewOnly: MiddlewareHandler = async ({ req }, next) => {
  if (req.query('api-version') !== PREVIEW) throw resourceNotFound()
  await next()
}
