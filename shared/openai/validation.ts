/**
 * From a failed check to OpenAI's error object: the first problem, with the field it is about.
 * @module
 */
import type * as z from 'zod'
import { ApiError, type ErrorCode } from './errors.ts'

const pathOf = (path: readonly PropertyKey[]) => path.map(String).join('.') || null

/** A union's issue hides the useful one: the branch that got furthest is the one the caller meant. */
const deepest = (issue: z.core.$ZodIssue): z.core.$ZodIssue => {
  if (issue.code !== 'invalid_union' || !issue.errors?.length) return issue
  const inner = issue.errors.flat().toSorted((a, b) => b.path.length - a.path.length)[0]
  return inner && inner.path.length > 0 ? deepest({ ...inner, path: [...issue.path, ...inner.path] }) : issue
}

const isMissing = (issue: z.core.$ZodIssue) =>
  issue.code === 'invalid_type' && issue.input === undefined && /received undefined/.test(issue.message)

/** The error object for a value that did not pass its schema. */
export const toApiError = (error: z.core.$ZodError): ApiError => {
  const first = error.issues[0]
  if (!first)
    return new ApiError({ status: 400, code: 'invalid_value', message: 'The request is not valid.' })
  const issue = deepest(first)
  const build = (param: string | null, code: ErrorCode, message: string) =>
    new ApiError({ status: 400, code, param, message })

  if (issue.code === 'unrecognized_keys') {
    const param = pathOf([...issue.path, issue.keys[0] ?? ''])
    return build(param, 'unknown_parameter', `Unknown parameter: '${param}'.`)
  }
  const param = pathOf(issue.path)
  if (isMissing(issue)) {
    return build(param, 'missing_required_parameter', `Missing required parameter: '${param}'.`)
  }
  if (issue.code === 'invalid_value') {
    const allowed = issue.values.map(value => `'${String(value)}'`).join(', ')
    return build(param, 'invalid_value', `Invalid value for '${param}': it must be one of ${allowed}.`)
  }
  return build(param, 'invalid_value', `Invalid value for '${param ?? 'body'}': ${issue.message}.`)
}

/** Parses or throws the {@link ApiError}. */
export const check = <T extends z.ZodType>(schema: T, value: unknown): z.infer<T> => {
  const result = schema.safeParse(value)
  if (!result.success) throw toApiError(result.error)
  return result.data
}
