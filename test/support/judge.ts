/**
 * OpenAI's own OpenAPI file as the judge of every answer: of its body, of each chunk of a stream, of every error, and of
 * what the gateway sends on. The file is not part of this repository: `OPENAI_OPENAPI` says where it is.
 * @module
 */
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** Where the file is looked for when the environment does not say. */
const USUAL_PLACE = '../shared/reference/openai-openapi.json'

type Json = Record<string, unknown>
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** What the judge looks at; all of it is optional but `method` and `path`, which is below `/v1`. */
export interface Exchange {
  method: string
  path: string
}

export interface Judge {
  /** The operation of the specification that serves this path, e.g. `GET /files/{file_id}`. */
  operationOf(exchange: Exchange): string | undefined
  /** What is wrong with a 2xx answer's JSON. */
  answer(exchange: Exchange, body: unknown): string[]
  /** What is wrong with the JSON of one `data:` line of a streamed answer. */
  chunk(exchange: Exchange, body: unknown): string[]
  /** What is wrong with an error's JSON. */
  error(body: unknown): string[]
  /** What is wrong with a JSON request that the gateway sent to its provider. */
  request(exchange: Exchange, body: unknown): string[]
}

/**
 * What OpenAI's file writes in the manner of OpenAPI 3.0 though it says 3.1: `nullable`, and bounds that are excluded
 * by a flag beside them.
 */
const modernised = (schema: unknown): unknown => {
  if (Array.isArray(schema)) return schema.map(modernised)
  if (!isObject(schema)) return schema
  const { nullable, ...rest } = Object.fromEntries(
    Object.entries(schema).map(([key, value]) => [key, modernised(value)]),
  )
  for (const [flag, bound] of [
    ['exclusiveMinimum', 'minimum'],
    ['exclusiveMaximum', 'maximum'],
  ] as const) {
    if (typeof rest[flag] !== 'boolean') continue
    if (rest[flag]) {
      rest[flag] = rest[bound]
      delete rest[bound]
    } else delete rest[flag]
  }
  return nullable === true ? { anyOf: [rest, { type: 'null' }] } : rest
}

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
/** `/files/{file_id}/content` as an expression. A model's name may hold slashes. */
const patternOf = (template: string): RegExp =>
  new RegExp(
    `^${template
      .split(/\{[^}]+\}/)
      .map(escaped)
      .join(template.startsWith('/models/') ? '.+' : '[^/]+')}$`,
  )

const at = (value: unknown, ...keys: string[]): unknown =>
  keys.reduce<unknown>((inner, key) => (isObject(inner) ? inner[key] : undefined), value)

/** Where in the document the schema of an operation's JSON request or answer stands. */
const PLACES = {
  request: ['requestBody', 'content', 'application/json', 'schema'],
  answer: ['responses', '200', 'content', 'application/json', 'schema'],
  chunk: ['responses', '200', 'content', 'text/event-stream', 'schema'],
} as const

const pointer = (...keys: string[]) =>
  `#/${keys.map(key => encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')}`

const NAME = 'openai'

/** Makes a judge of an OpenAPI document. */
export const createJudge = (source: Json): Judge => {
  const document: Json = { ...(modernised(source) as Json), $id: NAME }
  const ajv = new Ajv2020({ strict: false, allErrors: true, validateSchema: false, logger: false })
  addFormats.default(ajv)
  ajv.addFormat('unixtime', { type: 'number', validate: value => Number.isInteger(value) && value < 1e11 })
  ajv.addSchema(document, NAME)

  const paths = isObject(document.paths) ? document.paths : {}
  const templates = Object.keys(paths).map(template => ({ template, pattern: patternOf(template) }))
  const templateOf = ({ method, path }: Exchange) =>
    templates.find(
      ({ template, pattern }) =>
        pattern.test(path) && at(paths, template, method.toLowerCase()) !== undefined,
    )?.template

  const validators = new Map<string, ValidateFunction>()
  const findings = (reference: string, value: unknown): string[] => {
    const validate = validators.get(reference) ?? ajv.compile({ $ref: `${NAME}${reference}` })
    validators.set(reference, validate)
    if (validate(value)) return []
    return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath || '/'} ${message}`)
  }
  const judged = (place: keyof typeof PLACES, exchange: Exchange, value: unknown): string[] => {
    const template = templateOf(exchange)
    if (template === undefined) return []
    const keys = [template, exchange.method.toLowerCase(), ...PLACES[place]]
    return at(paths, ...keys) === undefined ? [] : findings(pointer('paths', ...keys), value)
  }

  return {
    operationOf(exchange) {
      const template = templateOf(exchange)
      return template && `${exchange.method} ${template}`
    },
    answer: (exchange, body) => judged('answer', exchange, body),
    chunk: (exchange, body) => judged('chunk', exchange, body),
    error: body => findings(pointer('components', 'schemas', 'ErrorResponse'), body),
    request: (exchange, body) => judged('request', exchange, body),
  }
}

/** Judges nothing: the file is not there. */
const LENIENT: Judge = {
  operationOf: () => undefined,
  answer: () => [],
  chunk: () => [],
  error: () => [],
  request: () => [],
}

/** @returns OpenAI's file, or undefined where there is none. @throws when `OPENAI_OPENAPI` names a file that is not there. */
export const readSpecification = (): Json | undefined => {
  const given = process.env.OPENAI_OPENAPI
  const path = resolve(ROOT, given || USUAL_PLACE)
  return given || existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined
}

const load = (): Judge => {
  const specification = readSpecification()
  if (specification) return createJudge(specification)
  console.warn(
    "OpenAI's OpenAPI file is not here: answers are not judged by it. OPENAI_OPENAPI says where it is.",
  )
  return LENIENT
}

/** The judge of the whole run. */
export const judge: Judge = load()

const DONE = '[DONE]'

const parsed = (text: string): { json: unknown } | undefined => {
  try {
    return { json: JSON.parse(text) }
  } catch {
    return undefined
  }
}

/** Watches an event stream go by: every chunk is judged, and so is its end. */
const watchStream = (exchange: Exchange, by: Judge, complain: (problem: string) => void) => {
  const decoder = new TextDecoder()
  let rest = ''
  let end: 'done' | 'error' | undefined
  const see = (line: string) => {
    if (line === '') return
    if (!line.startsWith('data:')) return complain(`a line that is no event: ${line}`)
    if (end) complain(`something after the end: ${line}`)
    const data = line.slice('data:'.length).trim()
    if (data === DONE) {
      end = 'done'
      return
    }
    const event = parsed(data)
    if (!event) return complain(`a chunk that is not JSON: ${data}`)
    const isError = isObject(event.json) && 'error' in event.json
    if (isError) end = 'error'
    for (const problem of isError ? by.error(event.json) : by.chunk(exchange, event.json))
      complain(`in a chunk: ${problem}`)
  }
  return new TransformStream<Uint8Array, Uint8Array>({
    transform(bytes, controller) {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) see(line)
      controller.enqueue(bytes)
    },
    flush() {
      see(rest)
      if (!end) complain('the stream has no end')
    },
  })
}

/** Answers with these are bytes, whatever the specification says of them. */
const BYTES = /\/content$/

/**
 * A `fetch` that notes everything the judge finds. Bodies pass unchanged; a stream that the caller leaves is left.
 * @param violations gets one line for each finding
 * @param by another judge than the run's
 */
export const judgedFetch =
  (violations: string[], by: Judge = judge, underlying: typeof fetch = fetch): typeof fetch =>
  async (input, init) => {
    const response = await underlying(input, init)
    // The client asks its fetch for a `data:` URL to learn what it can do.
    if (response.url.startsWith('data:')) return response
    const { url, method } = new Request(input instanceof Request ? input.url : input, {
      method: (input instanceof Request ? input.method : init?.method) ?? 'GET',
    })
    const exchange = { method, path: new URL(url).pathname.replace(/^\/v1(?=\/)/, '') }
    const complain = (problem: string) =>
      violations.push(`${method} ${exchange.path} → ${response.status}: ${problem}`)

    if (!response.headers.get('x-request-id')) complain('no x-request-id')
    const type = response.headers.get('content-type') ?? ''
    if (response.ok && response.body && type.startsWith('text/event-stream')) {
      return new Response(response.body.pipeThrough(watchStream(exchange, by, complain)), response)
    }
    if (response.ok && BYTES.test(exchange.path)) return response
    const text = await response.text()
    const body = type.startsWith('application/json') ? parsed(text) : undefined
    if (!body) complain(`not JSON, but ${type}: ${text.slice(0, 100)}`)
    else
      for (const problem of response.ok ? by.answer(exchange, body.json) : by.error(body.json))
        complain(problem)
    return new Response(text, response)
  }

/** What is wrong with the JSON requests that reached a provider; paths as the provider saw them. */
export const judgeRequests = (
  requests: readonly { method: string; path: string; body: unknown }[],
  by: Judge = judge,
): string[] =>
  requests.flatMap(({ method, path, body }) => {
    if (body === undefined) return []
    const exchange = { method, path: path.replace(/^\/v1(?=\/)/, '') }
    return by.request(exchange, body).map(problem => `sent on ${method} ${exchange.path}: ${problem}`)
  })
