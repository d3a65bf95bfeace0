/** OpenAI's error object, and how zod's findings become one. */
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type * as z from 'zod'

export interface ErrorBody {
  message: string
  type: string
  param: string | null
  code: string | null
}

/** A refusal. Thrown anywhere in a route, answered as `{"error": …}`. */
export class ApiError extends Error {
  override name = 'ApiError'
  readonly status: ContentfulStatusCode
  readonly param: string | null
  readonly code: string | null

  constructor(
    status: ContentfulStatusCode,
    message: string,
    { param = null, code = null }: { param?: string | null; code?: string | null } = {},
  ) {
    super(message)
    this.status = status
    this.param = param
    this.code = code
  }

  get body(): ErrorBody {
    const type = this.status >= 500 ? 'server_error' : 'invalid_request_error'
    return { message: this.message, type, param: this.param, code: this.code }
  }
}

export const notFound = (message: string, param = 'id'): ApiError => new ApiError(404, message, { param })

/** `['messages', 0, 'role']` → `messages[0].role` */
export function paramOf(path: readonly PropertyKey[]): string {
  return path.reduce<string>((param, key) => {
    if (typeof key === 'number') return `${param}[${key}]`
    return param === '' ? String(key) : `${param}.${String(key)}`
  }, '')
}

interface Finding {
  param: string
  code: string
  message: string
}

/** The first issue, in OpenAI's codes and words. */
export function findingOf(error: z.core.$ZodError): Finding {
  const [first] = error.issues
  return first ? describe(first, []) : { param: '', code: 'invalid_value', message: 'Invalid request.' }
}

function describe(issue: z.core.$ZodIssue, parents: readonly PropertyKey[]): Finding {
  const path = [...parents, ...issue.path]
  const param = paramOf(path)
  const missing = issue.input === undefined && 'input' in issue
  switch (issue.code) {
    case 'unrecognized_keys': {
      const unknown = paramOf([...path, ...issue.keys.slice(0, 1)])
      return { param: unknown, code: 'unknown_parameter', message: `Unknown parameter: '${unknown}'.` }
    }
    case 'invalid_union': {
      if (missing) return missingFinding(param)
      const branch = nearestBranch(issue.errors)
      return branch ? describe(branch, path) : invalid(param, 'invalid_value', issue.message)
    }
    case 'invalid_type':
      return missing ? missingFinding(param) : invalid(param, 'invalid_type', issue.message)
    case 'too_big':
    case 'too_small':
      return invalid(param, sizeCode(issue), issue.message)
    case 'invalid_value':
      return missing ? missingFinding(param) : invalid(param, 'invalid_value', issue.message)
    case 'invalid_format':
      return invalid(param, 'invalid_value', issue.message)
    default:
      return invalid(param, customCode(issue), issue.message)
  }
}

const invalid = (param: string, code: string, message: string): Finding => ({
  param,
  code,
  message: `Invalid '${param}': ${message}`,
})

const missingFinding = (param: string): Finding => ({
  param,
  code: 'missing_required_parameter',
  message: `Missing required parameter: '${param}'.`,
})

/** Of a union's branches, the one that came closest: it failed deepest, and not on its type. */
function nearestBranch(branches: readonly (readonly z.core.$ZodIssue[])[]): z.core.$ZodIssue | undefined {
  return branches
    .flatMap(issues => issues.slice(0, 1))
    .toSorted((a, b) => closeness(b) - closeness(a))
    .at(0)
}

function closeness(issue: z.core.$ZodIssue): number {
  const wrongKind = issue.code === 'invalid_type' && issue.expected !== 'int'
  return issue.path.length * 2 + (wrongKind || issue.code === 'invalid_value' ? 0 : 1)
}

const SIZE_CODES: Record<string, readonly [tooSmall: string, tooBig: string]> = {
  string: ['string_below_min_length', 'string_above_max_length'],
  array: ['array_below_min_length', 'array_above_max_length'],
  number: ['decimal_below_min_value', 'decimal_above_max_value'],
  int: ['integer_below_min_value', 'integer_above_max_value'],
}

function sizeCode(issue: z.core.$ZodIssueTooBig | z.core.$ZodIssueTooSmall): string {
  const kind =
    issue.origin === 'number' && Number.isInteger(issue.input) && !issue.exact ? 'int' : issue.origin
  const [small, big] = SIZE_CODES[kind] ?? ['invalid_value', 'invalid_value']
  return issue.code === 'too_small' ? small : big
}

/** A schema's own checks name their code: `z.refine(…, { params: { code } })`. */
function customCode(issue: z.core.$ZodIssue): string {
  const code = issue.code === 'custom' ? issue.params?.code : undefined
  return typeof code === 'string' ? code : 'invalid_value'
}

/**
 * Checks data against a schema.
 *
 * @throws {ApiError} 400 with the first finding
 */
export function check<T extends z.ZodType>(schema: T, data: unknown): z.output<T> {
  const result = schema.safeParse(data, { reportInput: true })
  if (result.success) return result.data
  const { message, param, code } = findingOf(result.error)
  throw new ApiError(400, message, { param: param === '' ? null : param, code })
}
