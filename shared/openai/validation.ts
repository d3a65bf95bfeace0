/**
 * From a failed check to OpenAI's error object: the first problem, with the field it is about.
 * @module
 */
import type * as z from 'zod'
import { ApiError, type ErrorCode } from './errors.ts'

/** `['messages', 0, 'role']` → `messages[0].role`, as OpenAI writes it. */
const pathOf = (path: readonly PropertyKey[]): string | null =>
  path
    .map(key => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`))
    .join('')
    .replace(/^\./, '') || null

/** A union's issue hides the useful one: the branch that got furthest is the one the caller meant. */
const deepest = (issue: z.core.$ZodIssue): z.core.$ZodIssue => {
  if (issue.code !== 'invalid_union' || !issue.errors?.length) return issue
  const inner = issue.errors.flat().toSorted((a, b) => b.path.length - a.path.length)[0]
  return inner && inner.path.length > 0 ? deepest({ ...inner, path: [...issue.path, ...inner.path] }) : issue
}

/** What stands at a path of a value. */
const valueAt = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>(
    (inner, key) => (typeof inner === 'object' && inner !== null ? Reflect.get(inner, key) : undefined),
    value,
  )

/** The error object for a value that did not pass its schema. */
export const toApiError = (error: z.core.$ZodError, value: unknown): ApiError => {
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
  if (issue.path.length > 0 && valueAt(value, issue.path) === undefined) {
    return build(param, 'missing_required_parameter', `Missing required parameter: '${param}'.`)
  }
  if (issue.code === 'invalid_value') {
    const allowed = issue.values.map(value => `'${String(value)}'`).join(', ')
    return build(param, 'invalid_value', `Invalid value for '${param}': it must be one of ${allowed}.`)
  }
  // What is wrong with a key of a record stands one level deeper.
  const why = (issue.code === 'invalid_key' && issue.issues[0]?.message) || issue.message
  return build(param, 'invalid_value', `Invalid value for '${param ?? 'body'}': ${why}.`)
}

/** Parses or throws the {@link ApiError}. */
export const check = <T extends z.ZodType>(schema: T, value: unknown): z.infer<T> => {
  const result = schema.safeParse(value)
  if (!result.success) throw toApiError(result.error, value)
  return result.data
}
