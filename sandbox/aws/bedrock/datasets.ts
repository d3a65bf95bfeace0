/** From the lines of a training file to what the trainer learns from; each family of models has a form of its own. */
import * as z from 'zod'
import { parseObject } from '../../openai/jsonl.ts'
import { countTokens } from '../../openai/tokens.ts'
import type { Turn } from '../../trainer/features.ts'
import type { Example } from '../../trainer/tune.ts'
import { findingsOf } from '../errors.ts'
import { answerKey, saying } from './answers.ts'
import type { BaseModel, DatasetFormat } from './base-models.ts'

/** A file that cannot be trained on; ends the job with this message. */
export class BadDataset extends Error {
  override name = 'BadDataset'
}

/** Words that Nova keeps for itself. */
const RESERVED = ['User:', 'Bot:', 'Assistant:', 'System:', '<image>', '<video>', '[EOS]']
const MOST_IMAGES = 10

const s3Location = z.strictObject({
  s3Location: z.strictObject({
    uri: z.string().regex(/^s3:\/\/[^/]+\/[A-Za-z0-9_\-/.]+$/),
    bucketOwner: z.string().regex(/^\d{12}$/),
  }),
})

const text = z
  .string()
  .min(1)
  .refine(value => !RESERVED.some(word => value.includes(word)), {
    error: ({ input }) =>
      `Member must not contain the reserved string ${RESERVED.find(word => String(input).includes(word))}`,
  })

const novaBlock = z
  .strictObject({
    text: text.optional(),
    image: z.strictObject({ format: z.enum(['png', 'jpeg', 'gif', 'webp']), source: s3Location }).optional(),
    video: z.strictObject({ format: z.enum(['mov', 'mkv', 'mp4', 'webm']), source: s3Location }).optional(),
    reasoningContent: z.strictObject({ reasoningText: z.strictObject({ text }) }).optional(),
  })
  .refine(block => Object.keys(block).length === 1, { error: 'Member must have exactly one kind of content' })

const novaLine = z.strictObject({
  schemaVersion: z.literal('bedrock-conversation-2024'),
  system: z.array(z.strictObject({ text })).min(1).optional(),
  messages: z
    .array(z.strictObject({ role: z.enum(['user', 'assistant']), content: z.array(novaBlock).min(1) }))
    .min(2),
})

const claudeLine = z.strictObject({
  system: z.string().min(1).optional(),
  messages: z
    .array(z.strictObject({ role: z.enum(['user', 'assistant']), content: z.string().min(1) }))
    .min(2),
})

const promptLine = z.strictObject({ prompt: z.string().min(1), completion: z.string().min(1) })

/** A conversation, whatever it was written in. */
interface Conversation {
  turns: Turn[]
}

/** Says what is wrong with a line, or what it tells. */
type Reader = (line: Record<string, unknown>, base: BaseModel) => Conversation | string

function parse<T extends z.ZodType>(
  schema: T,
  line: unknown,
  read: (line: z.output<T>) => Conversation | string,
): Conversation | string {
  const result = schema.safeParse(line, { reportInput: true })
  return result.success ? read(result.data) : findingsOf(result.error)
}

const READERS: Record<DatasetFormat, Reader> = {
  nova: (line, base) =>
    parse(novaLine, line, ({ system = [], messages }) => {
      const blocks = messages.flatMap(({ content }) => content)
      const images = blocks.filter(({ image }) => image).length
      const videos = blocks.filter(({ video }) => video).length
      if (images + videos > 0 && !base.inputModalities.includes('IMAGE')) return 'the model takes text only.'
      if (images > MOST_IMAGES) return `a sample has at most ${MOST_IMAGES} images.`
      if (videos > 1 || (videos > 0 && images > 0)) return 'a sample has one video, or images, but not both.'
      if (!base.dataset.reasoning && blocks.some(({ reasoningContent }) => reasoningContent)) {
        return 'the model does not take reasoningContent.'
      }
      if (messages.some(({ role, content }) => role === 'assistant' && !content.some(block => block.text))) {
        return 'an assistant message needs text.'
      }
      return {
        turns: [
          ...system.map(each => ({ role: 'system' as const, text: each.text })),
          ...messages.map(({ role, content }) => ({
            role,
            text: content.flatMap(block => block.text ?? []).join('\n'),
          })),
        ],
      }
    }),
  claude: line =>
    parse(claudeLine, line, ({ system, messages }) => ({
      turns: [
        ...(system === undefined ? [] : [{ role: 'system' as const, text: system }]),
        ...messages.map(({ role, content }) => ({ role, text: content })),
      ],
    })),
  prompt: line =>
    parse(promptLine, line, ({ prompt, completion }) => ({
      turns: [
        { role: 'user', text: prompt },
        { role: 'assistant', text: completion },
      ],
    })),
}

/** Turns go to and fro, from the user to the assistant. */
function alternationFault(turns: readonly Turn[]): string | undefined {
  const spoken = turns.filter(({ role }) => role !== 'system')
  if (spoken.some(({ role }, index) => role !== (index % 2 === 0 ? 'user' : 'assistant'))) {
    return 'messages must alternate between user and assistant, beginning with user.'
  }
  return spoken.length % 2 === 0 ? undefined : 'the last message must be from the assistant.'
}

/** Every turn of the assistant is learned. */
const examplesIn = (turns: readonly Turn[]): Example[] =>
  turns.flatMap((turn, index) =>
    turn.role === 'assistant'
      ? [{ turns: turns.slice(0, index), teaches: { kind: 'answer', answer: answerKey(saying(turn.text)) } }]
      : [],
  )

/**
 * Reads a whole file.
 *
 * @param breathe awaited between lines
 * @throws {BadDataset} with the number of the first bad line, or because there are too few or too many
 */
export async function readDataset(
  bytes: Uint8Array,
  base: BaseModel,
  { min, max }: { min: number; max: number },
  breathe: () => Promise<void>,
): Promise<Example[]> {
  const examples: Example[] = []
  let records = 0
  for (const [index, line] of linesOf(bytes).entries()) {
    if (line.trim() === '') continue
    records++
    const fault = (why: string): BadDataset => new BadDataset(`Invalid record at line ${index + 1}: ${why}`)
    const object = parseObject(line)
    if (!object) throw fault('not a JSON object.')
    if ('tools' in object || 'toolConfig' in object) throw fault('tools are not supported.')
    const read = READERS[base.dataset.format](object, base)
    if (typeof read === 'string') throw fault(read)
    const why = alternationFault(read.turns)
    if (why !== undefined) throw fault(why)
    const tokens = read.turns.reduce((sum, turn) => sum + countTokens(turn.text), 0)
    if (tokens > base.dataset.maxTokens) {
      throw fault(`it has ${tokens} tokens, more than the maximum of ${base.dataset.maxTokens}.`)
    }
    examples.push(...examplesIn(read.turns))
    await breathe()
  }
  if (records < min || records > max) {
    throw new BadDataset(`The dataset has ${records} records; it must have from ${min} to ${max}.`)
  }
  return examples
}

function linesOf(bytes: Uint8Array): string[] {
  try {
    // A byte order mark is part of the first line, and makes it a bad one.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes).split('\n')
  } catch {
    throw new BadDataset('The dataset is not valid UTF-8.')
  }
}
