/** From the lines of a training file to what the trainer learns from. */
import * as z from 'zod'
import type { Example } from '../trainer/tune.ts'
import { answerKey, keyOfText } from './answers.ts'
import { findingOf } from './errors.ts'
import { graderOf } from './grader.ts'
import type { JobMethod, StringCheck } from './job-schema.ts'
import { itemPath } from './job-schema.ts'
import { isRecord, parseObject } from './jsonl.ts'
import {
  conversationFault,
  deprecatedFunction,
  type Message,
  textsOf,
  tool,
  trainingAssistant,
  trainingMessage,
  turnsOf,
} from './messages.ts'
import type { Method } from './models.ts'
import { countMessageTokens } from './tokens.ts'

export interface TrainingSet {
  /** One or more for a line: every assistant message that is to be learned. */
  examples: Example[]
  /** The line (counted from 0) that an example comes from. */
  lineOf: number[]
  /** Tokens of each line. */
  tokens: number[]
}

/** A file that cannot be trained on; ends the job. */
export class BadFile extends Error {
  override name = 'BadFile'
  readonly code: 'invalid_file_format' | 'invalid_n_examples'

  constructor(code: BadFile['code'], message: string) {
    super(message)
    this.code = code
  }
}

const LEAST_EXAMPLES = 10

const extras = {
  tools: z.array(tool).optional(),
  parallel_tool_calls: z.boolean().optional(),
}

const messages = z
  .array(trainingMessage)
  .min(1)
  .superRefine((list, context) => {
    const fault = conversationFault(list)
    if (fault) context.addIssue({ code: 'custom', path: [fault.index], message: fault.message })
  })

const chatLine = z
  .strictObject({ messages, ...extras, functions: z.array(deprecatedFunction).optional() })
  .refine(line => line.messages.at(-1)?.role === 'assistant', {
    path: ['messages'],
    message: 'the last message must be from the assistant.',
  })

const preferenceLine = z.strictObject({
  input: z.strictObject({ messages, ...extras }),
  preferred_output: z.array(trainingAssistant).length(1),
  non_preferred_output: z.array(trainingAssistant).length(1),
})

const reinforcementLine = z
  .looseObject({ messages, ...extras })
  .refine(line => line.messages.at(-1)?.role !== 'assistant', {
    path: ['messages'],
    message: 'the last message must not be from the assistant.',
  })

/** What one line gives; `lines` of a file are read by the method's reader. */
interface Read {
  examples: Example[]
  messages: readonly Message[]
}

type LineReader = (line: Record<string, unknown>, grader: StringCheck | undefined) => Read | Fault

interface Fault {
  fault: string
}

function parse<T extends z.ZodType>(
  schema: T,
  line: unknown,
  read: (line: z.output<T>) => Read | Fault,
): Read | Fault {
  const result = schema.safeParse(line, { reportInput: true })
  return result.success ? read(result.data) : { fault: findingOf(result.error).message }
}

const READERS: Record<Method, LineReader> = {
  supervised: line =>
    parse(chatLine, line, ({ messages: list }) => ({
      messages: list,
      examples: list.flatMap((each, index): Example[] =>
        each.role === 'assistant' && each.weight !== 0
          ? [{ turns: turnsOf(list.slice(0, index)), teaches: { kind: 'answer', answer: answerKey(each) } }]
          : [],
      ),
    })),
  dpo: line =>
    parse(
      preferenceLine,
      line,
      ({ input, preferred_output: [preferred], non_preferred_output: [rejected] }) => {
        if (!preferred || !rejected) return { fault: 'both outputs need one message.' }
        return {
          messages: [...input.messages, preferred, rejected],
          examples: [
            {
              turns: turnsOf(input.messages),
              teaches: { kind: 'preference', preferred: answerKey(preferred), rejected: answerKey(rejected) },
            },
          ],
        }
      },
    ),
  reinforcement: (line, grader) =>
    parse(reinforcementLine, line, ({ messages: list }) => {
      if (!grader) return { fault: 'there is no grader.' }
      const path = itemPath(grader)
      const reference = valueAt(line, path)
      if (reference === undefined)
        return { fault: `Missing the grader's reference: 'item.${path.join('.')}'.` }
      return {
        messages: list,
        examples: [
          {
            turns: turnsOf(list),
            teaches: {
              kind: 'reward',
              candidate: keyOfText(reference),
              key: reference,
              reward: graderOf(grader, reference),
            },
          },
        ],
      }
    }),
}

function valueAt(line: unknown, path: readonly string[]): string | undefined {
  let value = line
  for (const key of path) value = isRecord(value) ? value[key] : undefined
  if (value === undefined || value === null) return undefined
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/**
 * Reads a whole file.
 *
 * @param least fewest examples the file must have
 * @param breathe awaited between lines
 * @throws {BadFile} with the number of the first bad line
 */
export async function readTrainingSet(
  bytes: Uint8Array,
  { type, grader }: JobMethod,
  breathe: () => Promise<void>,
  least = LEAST_EXAMPLES,
): Promise<TrainingSet> {
  const set: TrainingSet = { examples: [], lineOf: [], tokens: [] }
  for (const [index, line] of new TextDecoder().decode(bytes).split('\n').entries()) {
    if (line.trim() === '') continue
    const where = `Line ${index + 1}: `
    const object = parseObject(line)
    if (!object) throw new BadFile('invalid_file_format', `${where}not a JSON object.`)
    const read = READERS[type](object, grader)
    if ('fault' in read) throw new BadFile('invalid_file_format', where + read.fault)
    for (const example of read.examples) {
      set.examples.push(example)
      set.lineOf.push(set.tokens.length)
    }
    set.tokens.push(countMessageTokens(read.messages.map(textsOf)))
    await breathe()
  }
  if (set.tokens.length < least) {
    throw new BadFile(
      'invalid_n_examples',
      `The file has ${set.tokens.length} example(s), but must have at least ${least}.`,
    )
  }
  return set
}
