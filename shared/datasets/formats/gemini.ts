/**
 * Gemini's tuning lines: `{systemInstruction, contents, tools}`, or for preferences `{contents, completions}`.
 * Rules: Vertex AI, "Prepare supervised fine-tuning data" and preference tuning: contents alternate between user and
 * model; a supervised line ends with model, a preference's contents with user.
 * @module
 */
import {
  addCommonLosses,
  CHAT_FIELDS,
  type ChatExample,
  type Conversion,
  type Converter,
  isObject,
  isPreference,
  joinTurns,
  type Loss,
  loseOthers,
  type Message,
  type Placed,
  pathOf,
  quoted,
  splitSystem,
  type Tool,
  textOf,
} from './format.ts'

type Part =
  | { text: string }
  | { fileData: { mimeType: string; fileUri: string } }
  | { functionCall: { name: string; args: unknown } }
  | { functionResponse: { name: string; response: { output: unknown } } }
interface Content {
  role: 'user' | 'model'
  parts: Part[]
}

const IMAGE_TYPES: Record<string, string> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
}

/** An image by its public or Cloud Storage address; its type is told by the ending. */
const imagePart = (url: string): Part | undefined => {
  const mimeType = IMAGE_TYPES[/\.([a-z]+)(?:[?#]|$)/i.exec(url)?.[1]?.toLowerCase() ?? '']
  return mimeType !== undefined && /^(https|gs):/.test(url)
    ? { fileData: { mimeType, fileUri: url } }
    : undefined
}

const contentParts = (placed: Placed, losses: Loss[]): Part[] => {
  const { content } = placed.message
  if (typeof content === 'string') return content === '' ? [] : [{ text: content }]
  return (content ?? []).flatMap((part, index): Part[] => {
    if (part.type === 'text' && part.text !== undefined) return [{ text: part.text }]
    const image = part.image_url && imagePart(part.image_url.url)
    if (image) {
      if ((part.image_url?.detail ?? 'auto') !== 'auto')
        losses.push({
          path: `${pathOf(placed)}.content[${index}].image_url.detail`,
          message: 'has no equivalent',
        })
      return [image]
    }
    losses.push({
      path: `${pathOf(placed)}.content[${index}]`,
      message: part.image_url
        ? 'images need a https or gs address that ends in png, jpg or webp'
        : `content of the type ${quoted(part.type)} cannot be carried over`,
    })
    return []
  })
}

const parseArguments = (text: string): unknown => {
  try {
    return JSON.parse(text || '{}')
  } catch {
    return undefined
  }
}

/** Digits or an exponent that may be too many for a double. */
const LARGE = /\d{16}|\de/i

/** Whether a JSON text has a whole number in it that a double does not hold, or one beyond all: it would be written as another. */
const isRounded = (text: string): boolean => {
  if (!LARGE.test(text)) return false
  const large = new Set<number>()
  JSON.parse(text, (_, value: unknown) => {
    if (typeof value === 'number' && !(Math.abs(value) <= Number.MAX_SAFE_INTEGER)) large.add(Math.abs(value))
    return value
  })
  return (
    large.has(Number.POSITIVE_INFINITY) ||
    (large.size > 0 &&
      (text.match(/\d{16,}/g) ?? []).some(
        digits => large.has(Number(digits)) && digits !== String(Number(digits)),
      ))
  )
}

/** What an assistant says, and what it calls. */
const withCalls = (parts: Part[], placed: Placed, losses: Loss[]): Part[] => {
  const { message } = placed
  if (!message.tool_calls) return parts
  const calls = message.tool_calls.flatMap(({ function: { name, arguments: text } }, index): Part[] => {
    const args = parseArguments(text)
    const path = `${pathOf(placed)}.tool_calls[${index}].function.arguments`
    if (!isObject(args)) {
      losses.push({ path, message: 'must be a JSON object in a string', code: 'arguments_not_json' })
      return []
    }
    if (isRounded(text))
      losses.push({ path, message: 'holds a number that would be rounded: write it as a string' })
    return [{ functionCall: { name, args } }]
  })
  return [...parts, ...calls]
}

/** @param names of the functions behind the call ids so far */
const toContent = (placed: Placed, names: Map<string, string>, losses: Loss[]): Content => {
  const { message } = placed
  addCommonLosses(placed, losses)
  if (message.tool_calls) for (const call of message.tool_calls) names.set(call.id, call.function.name)
  if (message.role === 'assistant')
    return { role: 'model', parts: withCalls(contentParts(placed, losses), placed, losses) }
  if (message.role !== 'tool') return { role: 'user', parts: contentParts(placed, losses) }
  const name = names.get(message.tool_call_id ?? '')
  if (name === undefined)
    losses.push({
      path: `${pathOf(placed)}.tool_call_id`,
      message: 'answers no tool call of this example',
      code: 'tool_result_without_call',
    })
  const output = textOf(placed, losses)
  return { role: 'user', parts: [{ functionResponse: { name: name ?? 'unknown', response: { output } } }] }
}

const join = (a: Content, b: Content): Content => ({ role: a.role, parts: [...a.parts, ...b.parts] })

const toContents = (turns: Placed[], losses: Loss[]): Content[] => {
  const names = new Map<string, string>()
  const contents: Content[] = []
  for (const turn of turns) {
    const content = toContent(turn, names, losses)
    if (content.parts.length > 0) contents.push(content)
  }
  return joinTurns(contents, join)
}

const TOOL_FIELDS = ['name', 'description', 'parameters', 'strict']

/** @param list where the tools stand in the line */
const toTools = (tools: Tool[] | undefined, list: string, losses: Loss[]) => {
  if (!tools) return undefined
  const declarations = tools.flatMap((tool, index) => {
    if (tool.function) {
      const { name, description, parameters, strict } = tool.function
      loseOthers(losses, tool.function, `${list}[${index}].function`, TOOL_FIELDS)
      if (strict === true)
        losses.push({ path: `${list}[${index}].function.strict`, message: 'has no equivalent' })
      return [
        {
          name,
          ...(description !== undefined && { description }),
          ...(parameters !== undefined && { parameters }),
        },
      ]
    }
    losses.push({
      path: `${list}[${index}]`,
      message: `tools of the type ${quoted(tool.type)} cannot be carried over`,
    })
    return []
  })
  return declarations.length > 0 ? [{ functionDeclarations: declarations }] : undefined
}

const addExampleLosses = (example: ChatExample, path: string, losses: Loss[]): void => {
  loseOthers(losses, example, path.replace(/\.$/, ''), CHAT_FIELDS)
  if (example.functions != null) losses.push({ path: `${path}functions`, message: 'deprecated: use tools' })
  if (example.parallel_tool_calls != null)
    losses.push({ path: `${path}parallel_tool_calls`, message: 'has no equivalent' })
}

/** In the order in which a line has them. */
interface Line {
  systemInstruction?: { parts: [{ text: string }] }
  contents: Content[]
  tools?: unknown
  completions?: unknown
}

const toLine = (example: ChatExample, path: string, losses: Loss[]): Line => {
  addExampleLosses(example, path, losses)
  const { system, turns } = splitSystem(example.messages, `${path}messages`, losses)
  const contents = toContents(turns, losses)
  return system === '' ? { contents } : { systemInstruction: { parts: [{ text: system }] }, contents }
}

const supervised = (example: ChatExample): Conversion => {
  const losses: Loss[] = []
  const line = toLine(example, '', losses)
  const tools = toTools(example.tools, 'tools', losses)
  if (tools) line.tools = tools
  const isFirst = line.contents[0]?.role === 'user'
  const isLast = line.contents.at(-1)?.role === 'model'
  if (!isFirst)
    losses.push({ path: 'messages', message: 'must begin with a user message', code: 'first_not_user' })
  if (!isLast)
    losses.push({
      path: 'messages',
      message: 'must end with an assistant message',
      code: 'last_not_assistant',
    })
  return { line: isFirst && isLast ? line : undefined, losses }
}

/** One answer of a preference: text only. */
const completion = (output: Message[], path: string, losses: Loss[]) => {
  const contents = toContents(
    output.map((message, index) => ({ message, list: path, index })),
    losses,
  )
  const [content, ...more] = contents
  const texts = content?.parts.filter(part => 'text' in part) ?? []
  if (contents.some(({ parts }) => parts.some(part => !('text' in part)))) {
    losses.push({ path, message: 'preferences are text only', code: 'preference_form' })
  }
  return content && more.length === 0 && texts.length > 0 ? { ...content, parts: texts } : undefined
}

export const toGemini: Converter = example => {
  if (!isPreference(example)) return supervised(example)
  const losses: Loss[] = []
  loseOthers(losses, example, '', ['input', 'preferred_output', 'non_preferred_output'])
  const line = toLine(example.input, 'input.', losses)
  if (toTools(example.input.tools, 'input.tools', losses))
    losses.push({ path: 'input.tools', message: 'preferences are text only', code: 'preference_form' })
  const preferred = completion(example.preferred_output, 'preferred_output', losses)
  const other = completion(example.non_preferred_output, 'non_preferred_output', losses)
  const isTrainable = line.contents.at(-1)?.role === 'user' && preferred && other
  if (!isTrainable)
    losses.push({
      path: 'input.messages',
      message: 'must end with a user message, followed by one answer on either side',
      code: 'preference_form',
    })
  line.completions = [
    { score: 1, completion: preferred },
    { score: 0, completion: other },
  ]
  return { line: isTrainable ? line : undefined, losses }
}
