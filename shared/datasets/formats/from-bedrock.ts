/**
 * The lines of Bedrock's base models → canonical examples. The other way round, and the rules' sources, in `bedrock.ts`.
 * @module
 */
import {
  type ContentPart,
  isObject,
  type Loss,
  loseOthers,
  type Message,
  quoted,
  type Reader,
} from './format.ts'

const wrong = (losses: Loss[], path: string, message: string): undefined => {
  losses.push({ path, message, code: 'not_in_format' })
}

/** Texts as a string where there is one, as parts where there are more. */
const contentOf = (parts: ContentPart[]): string | ContentPart[] => {
  const [only, ...more] = parts
  return only?.text !== undefined && more.length === 0 ? only.text : parts
}

const IMAGES = ['png', 'jpeg', 'webp', 'gif']

/** Nova's image by value; one in S3 can be read by Bedrock alone. */
const novaImage = (image: unknown): ContentPart | undefined => {
  if (!isObject(image) || !isObject(image.source)) return undefined
  const { format, source } = image
  return typeof source.bytes === 'string' && IMAGES.includes(String(format))
    ? { type: 'image_url', image_url: { url: `data:image/${String(format)};base64,${source.bytes}` } }
    : undefined
}

/** A text block of Nova (`{text}`) or Claude (`{type: 'text', text}`), or Nova's image. */
const toPart = (block: unknown, path: string, losses: Loss[]): ContentPart[] => {
  if (!isObject(block)) return wrong(losses, path, 'must be an object') ?? []
  if (typeof block.text === 'string') return [{ type: 'text', text: block.text }]
  const image = novaImage(block.image)
  if (image) return [image]
  const kind = block.type ?? Object.keys(block)[0]
  losses.push({ path, message: `content of the type ${quoted(kind)} cannot be carried over` })
  return []
}

const toContent = (content: unknown, path: string, losses: Loss[]): string | ContentPart[] => {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return wrong(losses, path, 'must be a string or a list') ?? ''
  return contentOf(content.flatMap((block, index) => toPart(block, `${path}[${index}]`, losses)))
}

const toMessages = (messages: unknown, losses: Loss[]): Message[] => {
  if (!Array.isArray(messages)) return wrong(losses, 'messages', 'must be a list') ?? []
  return messages.flatMap((message: unknown, index): Message[] => {
    const path = `messages[${index}]`
    if (!isObject(message)) return wrong(losses, path, 'must be an object') ?? []
    const { role, content } = message
    if (role !== 'user' && role !== 'assistant')
      return wrong(losses, `${path}.role`, "must be 'user' or 'assistant'") ?? []
    loseOthers(losses, message, path, ['role', 'content'])
    return [{ role, content: toContent(content, `${path}.content`, losses) }]
  })
}

const conversation =
  (known: readonly string[]): Reader =>
  value => {
    const losses: Loss[] = []
    loseOthers(losses, value, '', known)
    const { system } = value
    const messages = [
      ...(system === undefined
        ? []
        : [{ role: 'system' as const, content: toContent(system, 'system', losses) }]),
      ...toMessages(value.messages, losses),
    ]
    const isWrong = losses.some(({ code }) => code === 'not_in_format')
    return { example: isWrong ? undefined : { messages }, losses }
  }

export const fromNova: Reader = conversation(['schemaVersion', 'system', 'messages'])
export const fromClaude: Reader = conversation(['system', 'messages'])

export const fromPromptCompletion: Reader = value => {
  const losses: Loss[] = []
  loseOthers(losses, value, '', ['prompt', 'completion'])
  const { prompt, completion } = value
  if (typeof prompt !== 'string') wrong(losses, 'prompt', 'must be a string')
  if (typeof completion !== 'string') wrong(losses, 'completion', 'must be a string')
  const messages = [
    { role: 'user', content: prompt },
    { role: 'assistant', content: completion },
  ]
  const isWrong = losses.some(({ code }) => code === 'not_in_format')
  return { example: isWrong ? undefined : { messages }, losses }
}
