/** OpenAI's messages → Converse's: one system text, and turns that alternate. */
import { badRequest } from '../../../openai/index.ts'
import type { Message } from './fields.ts'

export type Block =
  | { text: string }
  | { image: { format: string; source: { bytes: string } } }
  | { toolUse: { toolUseId: string; name: string; input: unknown } }
  | { toolResult: { toolUseId: string; content: { text: string }[] } }

export interface Turn {
  role: 'user' | 'assistant'
  content: Block[]
}

/** Blocks of nothing are refused by Bedrock, and mean nothing. */
const textBlocks = (texts: readonly string[]): { text: string }[] =>
  texts.filter(text => text !== '').map(text => ({ text }))

const textsOf = (content: string | readonly { text: string }[]): string[] =>
  typeof content === 'string' ? [content] : content.map(({ text }) => text)

const FORMATS: Record<string, string> = {
  'image/png': 'png',
  'image/jpeg': 'jpeg',
  'image/jpg': 'jpeg',
  'image/gif': 'gif',
  'image/webp': 'webp',
}

/** The bytes of a data URL as they stand in it. Other addresses are not fetched: the gateway calls no host of a caller's. */
const imageBlock = (url: string, path: string): Block => {
  const comma = url.indexOf(',')
  const [, type = ''] = /^data:([\w/+.-]+);base64$/i.exec(url.slice(0, Math.max(comma, 0))) ?? []
  const format = FORMATS[type.toLowerCase()]
  if (format !== undefined) return { image: { format, source: { bytes: url.slice(comma + 1) } } }
  throw badRequest(
    path,
    'Bedrock takes images as bytes only: give a data URL (data:image/png;base64,…) of the type png, jpeg, gif or webp. Addresses are not fetched.',
  )
}

/** Names of calls that Bedrock takes. Those that other providers made are exchanged, the same for the same. */
const TOOL_USE_ID = /^[a-zA-Z0-9_-]{1,64}$/

const createToolIds = () => {
  const ids = new Map<string, string>()
  return {
    called(id: string): string {
      const known = ids.get(id) ?? (TOOL_USE_ID.test(id) ? id : `tunegate_call_${ids.size}`)
      ids.set(id, known)
      return known
    },
    answered(id: string, path: string): string {
      const known = ids.get(id)
      if (known !== undefined) return known
      throw badRequest(`${path}.tool_call_id`, `'${id}' answers no tool call of an earlier message.`)
    },
  }
}
type ToolIds = ReturnType<typeof createToolIds>

const inputOf = (text: string, path: string): unknown => {
  let input: unknown
  try {
    input = text === '' ? {} : JSON.parse(text)
  } catch {
    input = undefined
  }
  if (typeof input === 'object' && input !== null && !Array.isArray(input)) return input
  throw badRequest(path, `'${path}' must be a JSON object in a string.`)
}

type From<Role extends Message['role']> = Extract<Message, { role: Role }>

const userTurn = ({ content }: From<'user'>, path: string): Turn => ({
  role: 'user',
  content:
    typeof content === 'string'
      ? textBlocks([content])
      : content.flatMap((part, index) =>
          part.type === 'text'
            ? textBlocks([part.text])
            : [imageBlock(part.image_url.url, `${path}.content[${index}].image_url.url`)],
        ),
})

const assistantTurn = (
  { content, refusal, tool_calls }: From<'assistant'>,
  path: string,
  ids: ToolIds,
): Turn => ({
  role: 'assistant',
  content: [
    ...textBlocks([
      ...(typeof content === 'string' ? [content] : []),
      // A refusal is what the assistant said.
      ...(Array.isArray(content) ? content.map(part => ('text' in part ? part.text : part.refusal)) : []),
      refusal ?? '',
    ]),
    ...(tool_calls ?? []).map(({ id, function: { name, arguments: text } }, index) => ({
      toolUse: {
        toolUseId: ids.called(id),
        name,
        input: inputOf(text, `${path}.tool_calls[${index}].function.arguments`),
      },
    })),
  ],
})

/** As text, whatever it holds: what JSON would make of a tool's numbers is not what the tool said. */
const toolTurn = ({ content, tool_call_id }: From<'tool'>, path: string, ids: ToolIds): Turn => ({
  role: 'user',
  content: [
    { toolResult: { toolUseId: ids.answered(tool_call_id, path), content: textBlocks(textsOf(content)) } },
  ],
})

const toTurn = (
  message: Exclude<Message, From<'system' | 'developer'>>,
  path: string,
  ids: ToolIds,
): Turn => {
  if (message.role === 'user') return userTurn(message, path)
  return message.role === 'assistant' ? assistantTurn(message, path, ids) : toolTurn(message, path, ids)
}

const isSystem = (message: Message): message is From<'system' | 'developer'> =>
  message.role === 'system' || message.role === 'developer'

/**
 * The conversation. Neighbours of one role become one turn; so all results of one turn's calls stand together, as
 * Converse wants them.
 * @throws {ApiError} 400 with the path of what cannot be said to Converse
 */
export const toConversation = (
  messages: readonly Message[],
): { system: { text: string }[]; turns: Turn[] } => {
  const ids = createToolIds()
  const system: string[] = []
  const turns: Turn[] = []
  for (const [index, message] of messages.entries()) {
    const path = `messages[${index}]`
    if (isSystem(message)) {
      system.push(textsOf(message.content).join(''))
      continue
    }
    const turn = toTurn(message, path, ids)
    if (turn.content.length === 0) throw badRequest(`${path}.content`, `'${path}' says nothing.`)
    const last = turns.at(-1)
    if (last?.role === turn.role) last.content.push(...turn.content)
    else turns.push(turn)
  }
  return { system: textBlocks([system.filter(text => text !== '').join('\n\n')]), turns }
}
