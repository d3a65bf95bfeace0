/** From the lines of a Gemini dataset to what the trainer learns from. */
import * as z from 'zod'
import { isRecord, parseObject } from '../../openai/jsonl.ts'
import { countTokens } from '../../openai/tokens.ts'
import type { Example } from '../../trainer/tune.ts'
import { findingOf } from '../check.ts'
import { answerKey } from './answers.ts'
import {
  type Content,
  content,
  conversationFault,
  roleOf,
  systemInstruction,
  textsOf,
  turnsOf,
} from './content.ts'
import { tools } from './tools.ts'

export type Method = 'supervised' | 'preference'

export interface Dataset {
  /** One or more for a line: every turn of the model is learned. */
  examples: Example[]
  lines: Line[]
}

export interface Line {
  inputTokens: number
  outputTokens: number
  turns: number
  /** Only of preferences. */
  scores: number[]
}

/** A file that cannot be trained on; ends the job. The message names the line. */
export class BadDataset extends Error {
  override readonly name = 'BadDataset'
}

const MOST_TOKENS = 131_072

const contents = z
  .array(content)
  .min(1)
  .superRefine((list, context) => {
    const fault = conversationFault(list)
    if (fault) context.addIssue({ code: 'custom', path: [fault.index], message: fault.message })
    const thought = list.findIndex(({ parts }) => parts.some(each => each.thought))
    if (thought >= 0) {
      context.addIssue({ code: 'custom', path: [thought], message: 'Thoughts cannot be tuned.' })
    }
  })

const extras = { systemInstruction: systemInstruction.optional(), tools: tools.optional() }

const supervisedLine = z.strictObject({ contents, ...extras }).superRefine(({ contents: list }, context) => {
  if (list.at(-1)?.role !== 'model') {
    context.addIssue({
      code: 'custom',
      path: ['contents'],
      message: 'The last content must be of role model.',
    })
  }
})

const completion = z.strictObject({ score: z.number().min(0).max(1), completion: content })

const preferenceLine = z
  .strictObject({ contents, ...extras, completions: z.array(completion).length(2) })
  .superRefine(({ contents: list, completions }, context) => {
    const fail = (path: PropertyKey[], message: string): void =>
      context.addIssue({ code: 'custom', path, message })
    if (list.at(-1)?.role === 'model') fail(['contents'], 'The last content must be of role user.')
    if (completions.some(({ completion: each }) => each.role !== 'model')) {
      fail(['completions'], 'A completion must be of role model.')
    }
    const all = [...list, ...completions.map(({ completion: each }) => each)]
    if (all.some(({ parts }) => parts.some(({ text }) => text === undefined))) {
      fail(['contents'], 'Preferences can only be about text.')
    }
    const [one, other] = completions
    if (one && other && one.score === other.score) fail(['completions'], 'The scores must differ.')
  })

interface Read {
  examples: Example[]
  line: Line
}

const READERS: Record<Method, (line: Record<string, unknown>) => Read> = {
  supervised: line => {
    const { contents: list, systemInstruction: system } = parsed(supervisedLine, line)
    const asked = list.filter(each => roleOf(each) === 'user')
    const said = list.filter(each => roleOf(each) === 'model')
    return {
      examples: list.flatMap((each, index): Example[] =>
        roleOf(each) === 'model'
          ? [
              {
                turns: turnsOf(system, list.slice(0, index)),
                teaches: { kind: 'answer', answer: answerKey(each) },
              },
            ]
          : [],
      ),
      line: {
        inputTokens: tokensOf([...(system ? [system] : []), ...asked]),
        outputTokens: tokensOf(said),
        turns: list.length,
        scores: [],
      },
    }
  },
  preference: line => {
    const { contents: list, systemInstruction: system, completions } = parsed(preferenceLine, line)
    const [best, worst] = completions.toSorted((a, b) => b.score - a.score).map(each => each.completion)
    if (!best || !worst) throw new BadDataset('There must be two completions.')
    return {
      examples: [
        {
          turns: turnsOf(system, list),
          teaches: { kind: 'preference', preferred: answerKey(best), rejected: answerKey(worst) },
        },
      ],
      line: {
        inputTokens: tokensOf([...(system ? [system] : []), ...list]),
        outputTokens: tokensOf([best, worst]),
        turns: list.length + 1,
        scores: completions.map(({ score }) => score),
      },
    }
  },
}

export const tokensOf = (list: readonly Pick<Content, 'parts'>[]): number =>
  list.reduce((sum, each) => textsOf(each).reduce((inner, text) => inner + countTokens(text), sum), 0)

function parsed<T extends z.ZodType>(schema: T, line: unknown): z.output<T> {
  const result = schema.safeParse(line, { reportInput: true })
  if (result.success) return result.data
  const [issue] = result.error.issues
  throw new BadDataset(issue ? findingOf(issue, []).description : 'It is no example.')
}

/**
 * Reads a whole file.
 *
 * @param breathe awaited between lines
 * @throws {BadDataset} with the number of the first bad line
 */
export async function readDataset(
  bytes: Uint8Array,
  method: Method,
  breathe: () => Promise<void>,
): Promise<Dataset> {
  const dataset: Dataset = { examples: [], lines: [] }
  for (const [index, text] of decode(bytes).split('\n').entries()) {
    if (text.trim() === '') continue
    try {
      const { examples, line } = readLine(text, method)
      dataset.examples.push(...examples)
      dataset.lines.push(line)
    } catch (error) {
      throw error instanceof BadDataset
        ? new BadDataset(`Invalid example on line ${index + 1}: ${error.message}`)
        : error
    }
    await breathe()
  }
  if (dataset.lines.length === 0) throw new BadDataset('The dataset has no examples.')
  return dataset
}

function readLine(text: string, method: Method): Read {
  const object = parseObject(text)
  if (!isRecord(object)) throw new BadDataset('It is not a JSON object.')
  const read = READERS[method](object)
  if (read.line.inputTokens + read.line.outputTokens > MOST_TOKENS) {
    throw new BadDataset(`It has more than ${MOST_TOKENS} tokens.`)
  }
  return read
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new BadDataset('The file is not valid UTF-8.')
  }
}
