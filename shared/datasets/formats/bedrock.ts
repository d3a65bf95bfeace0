/**
 * The lines of Bedrock's base models: Nova (`bedrock-conversation-2024`), Claude 3 Haiku, and prompt with completion
 * (Titan, Llama). Rules: Amazon Bedrock user guide, "Prepare data for fine-tuning" of each model.
 * @module
 */
import {
  addCommonLosses,
  CHAT_FIELDS,
  type ChatExample,
  type Conversion,
  type Converter,
  type Example,
  isPreference,
  joinTurns,
  type Loss,
  loseOthers,
  type Message,
  pathOf,
  splitSystem,
  textOf,
} from './format.ts'

interface Turn {
  role: 'user' | 'assistant'
  text: string
}

/** A Nova job fails on any of these within a text. */
const NOVA_RESERVED = ['User:', 'Bot:', 'Assistant:', 'System:', '<image>', '<video>', '[EOS]']

const toolLosses = (example: ChatExample): Loss[] =>
  (['tools', 'functions', 'parallel_tool_calls'] as const)
    .filter(path => example[path] != null)
    .map(path => ({ path, message: 'this base model is not tuned on tools' }))

const isOfTools = ({ role }: Message) => role === 'tool' || role === 'function'

/** The conversation as alternating texts. Tools are losses, with the turns that hold nothing else. */
const conversation = (example: ChatExample, losses: Loss[]): { system: string; turns: Turn[] } => {
  loseOthers(losses, example, '', CHAT_FIELDS)
  losses.push(...toolLosses(example))
  const { system, turns } = splitSystem(example.messages, 'messages', losses)
  const texts = turns.flatMap((placed): Turn[] => {
    const { message } = placed
    addCommonLosses(placed, losses)
    if (message.tool_calls)
      losses.push({ path: `${pathOf(placed)}.tool_calls`, message: 'this base model is not tuned on tools' })
    if (isOfTools(message)) {
      losses.push({ path: pathOf(placed), message: 'this base model is not tuned on tools' })
      return []
    }
    const text = textOf(placed, losses)
    return text === '' ? [] : [{ role: message.role === 'assistant' ? 'assistant' : 'user', text }]
  })
  return { system, turns: joinTurns(texts, (a, b) => ({ role: a.role, text: `${a.text}\n\n${b.text}` })) }
}

const REFUSED_PREFERENCE: Conversion = {
  line: undefined,
  losses: [{ path: 'preferred_output', message: 'this base model is not tuned on preferences' }],
}

/** Whether a conversation can be trained on: user first, assistant last. */
const alternates = (turns: Turn[], losses: Loss[]): boolean => {
  const isRight = turns[0]?.role === 'user' && turns.at(-1)?.role === 'assistant'
  if (!isRight)
    losses.push({
      path: 'messages',
      message: 'must begin with a user message and end with an assistant message',
      code: turns[0]?.role === 'user' ? 'last_not_assistant' : 'first_not_user',
    })
  return isRight
}

const chatOnly =
  (convert: (example: ChatExample, losses: Loss[]) => unknown): Converter =>
  (example: Example) => {
    if (isPreference(example)) return REFUSED_PREFERENCE
    const losses: Loss[] = []
    return { line: convert(example, losses), losses }
  }

const reservedIn = (text: string) => NOVA_RESERVED.find(word => text.includes(word))

const reservedLosses = ({ messages }: ChatExample): Loss[] =>
  messages.flatMap((message, index): Loss[] => {
    const placed = { message, list: 'messages', index }
    const word = isOfTools(message) ? undefined : reservedIn(textOf(placed, []))
    return word === undefined
      ? []
      : [
          {
            path: `${pathOf(placed)}.content`,
            message: `holds '${word}', which is reserved`,
            code: 'reserved_string',
          },
        ]
  })

export const toNova: Converter = chatOnly((example, losses) => {
  const { system, turns } = conversation(example, losses)
  const reserved = reservedLosses(example)
  losses.push(...reserved)
  if (!alternates(turns, losses) || reserved.length > 0) return undefined
  return {
    schemaVersion: 'bedrock-conversation-2024',
    ...(system !== '' && { system: [{ text: system }] }),
    messages: turns.map(({ role, text }) => ({ role, content: [{ text }] })),
  }
})

export const toClaude: Converter = chatOnly((example, losses) => {
  const { system, turns } = conversation(example, losses)
  if (!alternates(turns, losses)) return undefined
  return {
    ...(system !== '' && { system }),
    messages: turns.map(({ role, text }) => ({ role, content: text })),
  }
})

/** One turn each way: what came before the last answer is the prompt. */
export const toPromptCompletion: Converter = chatOnly((example, losses) => {
  const { system, turns } = conversation(example, losses)
  if (!alternates(turns, losses)) return undefined
  if (turns.length > 2)
    losses.push({
      path: 'messages',
      message: 'this base model is tuned on single turns: earlier ones become part of the prompt',
    })
  const prompt = [system, ...turns.slice(0, -1).map(({ text }) => text)]
    .filter(text => text !== '')
    .join('\n\n')
  return { prompt, completion: turns.at(-1)?.text }
})
