/**
 * Gemini's tuning lines → canonical examples: for whoever has a dataset made for Vertex AI. The other way round, and the
 * rules' sources, in `gemini.ts`. Calls have no ids there: they are given some, results are matched by name and order.
 * @module
 */
import {
  type ChatExample,
  type ContentPart,
  isObject,
  type Json,
  type Loss,
  loseOthers,
  type Message,
  quoted,
  type Reader,
  type Tool,
  type ToolCall,
} from './format.ts'

/** What is read of one line. */
interface Line {
  losses: Loss[]
  /** Calls that no result has come for yet. */
  open: { id: string; name: string }[]
  calls: number
}

const lose = ({ losses }: Line, path: string, message = 'cannot be carried over') => {
  losses.push({ path, message })
}

/** Wrong in itself, rather than without a place. */
const wrong = (line: Line, path: string, message: string): undefined => {
  line.losses.push({ path, message, code: 'not_in_format' })
}

const textPart = (text: string): ContentPart => ({ type: 'text', text })
const imagePart = (url: string): ContentPart => ({ type: 'image_url', image_url: { url } })

/** Text and images; the rest has no place. */
const contentPart = (line: Line, part: Json, path: string): ContentPart | undefined => {
  if (part.thought === true || part.thoughtSignature !== undefined)
    lose(line, path, 'thoughts cannot be carried over')
  if (part.thought === true) return undefined
  if (typeof part.text === 'string') return textPart(part.text)
  const { fileData: file, inlineData: inline } = part
  const isImage = (data: Json) => typeof data.mimeType === 'string' && data.mimeType.startsWith('image/')
  if (isObject(file) && isImage(file) && typeof file.fileUri === 'string') return imagePart(file.fileUri)
  if (isObject(inline) && isImage(inline) && typeof inline.data === 'string')
    return imagePart(`data:${String(inline.mimeType)};base64,${inline.data}`)
  lose(line, path, `content of the type ${quoted(Object.keys(part)[0])} cannot be carried over`)
  return undefined
}

/** Text alone is a string, as OpenAI's examples mostly have it. */
const contentOf = (parts: ContentPart[]): string | ContentPart[] => {
  const [only, ...more] = parts
  return only?.text !== undefined && more.length === 0 ? only.text : parts
}

const toCall = (line: Line, call: Json, path: string): ToolCall | undefined => {
  if (typeof call.name !== 'string') return wrong(line, `${path}.name`, 'must be a string')
  const id = `call_${++line.calls}`
  line.open.push({ id, name: call.name })
  return { id, type: 'function', function: { name: call.name, arguments: JSON.stringify(call.args ?? {}) } }
}

const toResult = (line: Line, result: Json, path: string): Message | undefined => {
  const at = line.open.findIndex(({ name }) => name === result.name)
  const [call] = at === -1 ? [] : line.open.splice(at, 1)
  if (!call) return wrong(line, path, 'answers no function call before it')
  const { response } = result
  const isPlain =
    isObject(response) && typeof response.output === 'string' && Object.keys(response).length === 1
  return {
    role: 'tool',
    tool_call_id: call.id,
    content: isPlain ? String(response.output) : JSON.stringify(response ?? {}),
  }
}

const partsOf = (line: Line, content: Json, path: string): Json[] => {
  const { parts } = content
  if (Array.isArray(parts) && parts.every(isObject)) return parts
  wrong(line, `${path}.parts`, 'must be a list of objects')
  return []
}

const fromModel = (line: Line, parts: Json[], path: string): Message[] => {
  const content: ContentPart[] = []
  const calls: ToolCall[] = []
  for (const [index, part] of parts.entries()) {
    const at = `${path}.parts[${index}]`
    if (isObject(part.functionCall)) {
      const call = toCall(line, part.functionCall, `${at}.functionCall`)
      if (call) calls.push(call)
      continue
    }
    const found = contentPart(line, part, at)
    if (found) content.push(found)
  }
  const isSilent = content.length === 0 && calls.length > 0
  return [
    {
      role: 'assistant',
      content: isSilent ? null : contentOf(content),
      ...(calls.length > 0 && { tool_calls: calls }),
    },
  ]
}

/** Results are messages of their own, in their place among what the user says. */
const fromUser = (line: Line, parts: Json[], path: string): Message[] => {
  const messages: Message[] = []
  let said: ContentPart[] = []
  const flush = () => {
    if (said.length > 0) messages.push({ role: 'user', content: contentOf(said) })
    said = []
  }
  for (const [index, part] of parts.entries()) {
    const at = `${path}.parts[${index}]`
    if (isObject(part.functionResponse)) {
      flush()
      const result = toResult(line, part.functionResponse, `${at}.functionResponse`)
      if (result) messages.push(result)
      continue
    }
    const found = contentPart(line, part, at)
    if (found) said.push(found)
  }
  flush()
  return messages
}

const ROLES: Record<string, typeof fromUser> = { user: fromUser, function: fromUser, model: fromModel }

const fromContent = (line: Line, content: unknown, path: string): Message[] => {
  if (!isObject(content)) return wrong(line, path, 'must be an object') ?? []
  const read = ROLES[typeof content.role === 'string' ? content.role : '']
  if (!read) return wrong(line, `${path}.role`, "must be 'user' or 'model'") ?? []
  return read(line, partsOf(line, content, path), path)
}

const fromSystem = (line: Line, instruction: unknown): Message[] => {
  if (instruction === undefined) return []
  const parts = isObject(instruction) ? partsOf(line, instruction, 'systemInstruction') : []
  const texts = parts.flatMap(({ text }) => (typeof text === 'string' ? [textPart(text)] : []))
  if (texts.length === 0 || texts.length < parts.length)
    return wrong(line, 'systemInstruction', 'must be a content of text parts') ?? []
  return [{ role: 'system', content: contentOf(texts) }]
}

const fromTools = (line: Line, tools: unknown): Tool[] => {
  if (tools === undefined) return []
  if (!Array.isArray(tools)) return wrong(line, 'tools', 'must be a list') ?? []
  return tools.flatMap((tool: unknown, index): Tool[] => {
    const path = `tools[${index}]`
    if (!isObject(tool) || !Array.isArray(tool.functionDeclarations)) {
      lose(line, path)
      return []
    }
    loseOthers(line.losses, tool, path, ['functionDeclarations'])
    return tool.functionDeclarations.filter(isObject).map((declaration, at): Tool => {
      const { name, description, parameters } = declaration
      loseOthers(line.losses, declaration, `${path}.functionDeclarations[${at}]`, [
        'name',
        'description',
        'parameters',
      ])
      return {
        type: 'function',
        function: {
          name: String(name),
          ...(typeof description === 'string' && { description }),
          ...(parameters !== undefined && { parameters }),
        },
      }
    })
  })
}

/** The two answers of a preference, the better one first. */
const fromCompletions = (line: Line, completions: unknown): [Message[], Message[]] | undefined => {
  const isScored = (value: unknown): value is Json & { score: number } =>
    isObject(value) && typeof value.score === 'number'
  if (!Array.isArray(completions) || completions.length !== 2 || !completions.every(isScored))
    return wrong(line, 'completions', 'must be two scored completions')
  const read = completions.map(({ completion }, index) =>
    fromContent(line, completion, `completions[${index}].completion`),
  )
  const [first = [], second = []] = read
  const [a, b] = completions
  return (a?.score ?? 0) >= (b?.score ?? 0) ? [first, second] : [second, first]
}

export const fromGemini: Reader = value => {
  const line: Line = { losses: [], open: [], calls: 0 }
  loseOthers(line.losses, value, '', ['systemInstruction', 'contents', 'tools', 'completions'])
  const { contents } = value
  if (!Array.isArray(contents)) wrong(line, 'contents', 'must be a list')
  const messages = [
    ...fromSystem(line, value.systemInstruction),
    ...(Array.isArray(contents)
      ? contents.flatMap((content, index) => fromContent(line, content, `contents[${index}]`))
      : []),
  ]
  const tools = fromTools(line, value.tools)
  const chat: ChatExample = { messages, ...(tools.length > 0 && { tools }) }
  const answers = value.completions === undefined ? undefined : fromCompletions(line, value.completions)
  const { losses } = line
  if (losses.some(({ code }) => code === 'not_in_format')) return { example: undefined, losses }
  if (!answers) return { example: chat, losses }
  const [preferred, other] = answers
  return {
    example: { input: chat, preferred_output: preferred, non_preferred_output: other },
    losses,
  }
}
