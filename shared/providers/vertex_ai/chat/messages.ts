/**
 * OpenAI's messages → Gemini's contents, which alternate between user and model; system messages stand beside them.
 * @module
 */
import * as z from 'zod'
import { badRequest, check } from '../../../openai/index.ts'
import { fromCallId } from './call-id.ts'
import type { Content, Part } from './wire.ts'

/** Leaves something out, or refuses it. */
export type Unsupported = (param: string, why: string) => void

const contentPart = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text'), text: z.string() }),
  z.strictObject({ type: z.literal('refusal'), refusal: z.string() }),
  z.strictObject({
    type: z.literal('image_url'),
    image_url: z.strictObject({ url: z.string(), detail: z.enum(['auto', 'low', 'high']).optional() }),
  }),
  z.strictObject({
    type: z.literal('input_audio'),
    input_audio: z.strictObject({ data: z.string(), format: z.enum(['wav', 'mp3']) }),
  }),
])
const content = z.union([z.string(), z.array(contentPart)]).nullish()

/** Google's own OpenAI layer hands out signatures here. */
const extraContent = z
  .looseObject({ google: z.looseObject({ thought_signature: z.string().optional() }).optional() })
  .nullish()

const toolCall = z.strictObject({
  id: z.string(),
  type: z.literal('function').optional(),
  index: z.number().optional(),
  function: z.strictObject({ name: z.string().min(1), arguments: z.string() }),
  extra_content: extraContent,
})

const name = z.string().optional()
const message = z.discriminatedUnion('role', [
  z.strictObject({ role: z.literal('system'), content, name }),
  z.strictObject({ role: z.literal('developer'), content, name }),
  z.strictObject({ role: z.literal('user'), content, name }),
  z.strictObject({
    role: z.literal('assistant'),
    content,
    name,
    refusal: z.string().nullish(),
    tool_calls: z.array(toolCall).nullish(),
    // What answers of OpenAI's own have, and histories carry along.
    audio: z.null().optional(),
    function_call: z.null().optional(),
    annotations: z.array(z.unknown()).optional(),
    reasoning_content: z.string().nullish(),
  }),
  z.strictObject({ role: z.literal('tool'), content, tool_call_id: z.string() }),
])
export const messages = z.array(message).min(1)
type Message = z.infer<typeof message>
type Assistant = Extract<Message, { role: 'assistant' }>
type ContentPart = z.infer<typeof contentPart>

const MIME_TYPES = new Map<string, string>(
  Object.entries({
    png: 'image/png',
    jpg: 'image/jpeg',
    jpeg: 'image/jpeg',
    webp: 'image/webp',
    heic: 'image/heic',
    heif: 'image/heif',
    gif: 'image/gif',
  }),
)

/** `data:image/png;base64,…`, cut by hand: these are long. */
const inlineImage = (url: string, param: string): Part => {
  const comma = url.indexOf(',')
  const [mimeType = '', ...options] = url.slice('data:'.length, comma).split(';')
  if (comma < 0 || mimeType === '' || options.at(-1) !== 'base64')
    throw badRequest(param, `Invalid value for '${param}': a data: URL must be in base64 and name its type.`)
  return { inlineData: { mimeType, data: url.slice(comma + 1) } }
}

const linkedImage = (url: string, param: string): Part => {
  const mimeType = MIME_TYPES.get(/\.([a-z]+)(?:[?#]|$)/i.exec(url)?.[1]?.toLowerCase() ?? '')
  if (mimeType !== undefined && /^(https|gs):\/\//.test(url)) return { fileData: { mimeType, fileUri: url } }
  throw badRequest(
    param,
    `Invalid value for '${param}': Gemini takes a data: URL, or an https or gs address that ends in ${[...MIME_TYPES.keys()].join(', ')}.`,
  )
}

const toPart = (part: ContentPart, path: string, unsupported: Unsupported): Part => {
  switch (part.type) {
    case 'text':
      return { text: part.text }
    case 'refusal':
      return { text: part.refusal }
    case 'input_audio':
      return {
        inlineData: { mimeType: `audio/${part.input_audio.format}`, data: part.input_audio.data },
      }
    case 'image_url': {
      const { url, detail = 'auto' } = part.image_url
      if (detail !== 'auto') unsupported(`${path}.image_url.detail`, 'Gemini chooses the detail itself')
      const param = `${path}.image_url.url`
      return url.startsWith('data:') ? inlineImage(url, param) : linkedImage(url, param)
    }
  }
}

const toParts = (given: Message['content'], path: string, unsupported: Unsupported): Part[] => {
  if (typeof given === 'string') return given === '' ? [] : [{ text: given }]
  return (given ?? []).map((part, index) => toPart(part, `${path}.content[${index}]`, unsupported))
}

const textOf = (given: Message['content'], path: string): string => {
  if (typeof given === 'string') return given
  return (given ?? [])
    .map((part, index) => {
      if (part.type === 'text') return part.text
      throw badRequest(`${path}.content[${index}].type`, 'Here Gemini takes text only.')
    })
    .join('')
}

/** Arguments as OpenAI has them, JSON in a string, → an object. */
const parseArguments = (text: string, param: string): object => {
  try {
    const value: unknown = JSON.parse(text || '{}')
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  } catch {
    // A parser's message quotes what it could not read.
  }
  throw badRequest(param, `Invalid value for '${param}': it must be a JSON object in a string.`)
}

/** A tool's answer: structure where it is JSON, else text. */
const toOutput = (text: string): unknown => {
  if (!/^\s*[[{]/.test(text)) return text
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/**
 * Google's own word for a call that the model has not made itself. Gemini 3 refuses a turn's first call without a signature;
 * histories of other models have none.
 */
const FOREIGN = 'skip_thought_signature_validator'

interface Call {
  name: string
  native: string | undefined
}

/** @param calls gets the turn's calls by their ids, in order */
const modelParts = (given: Assistant, path: string, unsupported: Unsupported, calls: Map<string, Call>) => {
  const parts = toParts(given.content, path, unsupported)
  if (parts.length === 0 && given.refusal) parts.push({ text: given.refusal })
  for (const [index, { id, function: fn, extra_content: extra }] of (given.tool_calls ?? []).entries()) {
    const identity = fromCallId(id)
    const signature =
      identity.signature ?? extra?.google?.thought_signature ?? (index === 0 ? FOREIGN : undefined)
    const args = parseArguments(fn.arguments, `${path}.tool_calls[${index}].function.arguments`)
    const own = identity.native === undefined ? {} : { id: identity.native }
    calls.set(id, { name: fn.name, native: identity.native })
    parts.push({
      functionCall: { ...own, name: fn.name, args },
      ...(signature !== undefined && { thoughtSignature: signature }),
    })
  }
  return parts
}

/** Neighbours of one role become one content. */
const push = (contents: Content[], role: Content['role'], parts: Part[]): void => {
  const last = contents.at(-1)
  if (parts.length === 0) return
  if (last?.role === role) last.parts.push(...parts)
  else contents.push({ role, parts })
}

/** The results of one turn, in the order of their calls: without ids it is by name and order that they are matched. */
const resultParts = (results: Map<string, string>, calls: Map<string, Call>): Part[] =>
  [...calls].flatMap(([id, { name: called, native }]) => {
    const output = results.get(id)
    return output === undefined
      ? []
      : [
          {
            functionResponse: {
              ...(native !== undefined && { id: native }),
              name: called,
              response: { output: toOutput(output) },
            },
          },
        ]
  })

/**
 * @param given `messages` of the request, unchecked
 * @throws {ApiError} 400 with the path of what is wrong
 */
export const toContents = (
  given: unknown,
  unsupported: Unsupported,
): { system: string | undefined; contents: Content[] } => {
  const list = check(z.object({ messages }), { messages: given }).messages
  const system: string[] = []
  const contents: Content[] = []
  let calls = new Map<string, Call>()
  let results = new Map<string, string>()
  const flush = () => {
    push(contents, 'user', resultParts(results, calls))
    results = new Map()
  }
  for (const [index, each] of list.entries()) {
    const path = `messages[${index}]`
    if ('name' in each && each.name !== undefined)
      unsupported(`${path}.name`, 'Gemini has no names of speakers')
    if (each.role === 'tool') {
      if (!calls.has(each.tool_call_id))
        throw badRequest(
          `${path}.tool_call_id`,
          `'${path}.tool_call_id' answers no call of the turn before it.`,
        )
      results.set(each.tool_call_id, textOf(each.content, path))
      continue
    }
    if (each.role === 'system' || each.role === 'developer') {
      system.push(textOf(each.content, path))
      continue
    }
    flush()
    if (each.role === 'user') push(contents, 'user', toParts(each.content, path, unsupported))
    else {
      calls = new Map()
      push(contents, 'model', modelParts(each, path, unsupported, calls))
    }
  }
  flush()
  return { system: system.length === 0 ? undefined : system.join('\n\n'), contents }
}
