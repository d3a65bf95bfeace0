/** Chat JSONL, the dataset format of OpenAI's fine-tuning: one `{"messages": […]}` a line. @module */
import { readFile } from 'node:fs/promises'
import type { ChatCompletionMessageParam } from 'openai/resources/chat/completions'

/** One example, cut into what is asked and what should be answered. */
export interface Example {
  /** Everything up to the last assistant message. */
  prompt: ChatCompletionMessageParam[]
  /** The last assistant message. */
  expected: string
}

/** A dataset cannot be used; the message names the file and, where there is one, the line. */
export class DatasetError extends Error {
  override readonly name = 'DatasetError'
}

/**
 * Reads a whole dataset into memory.
 *
 * @throws {DatasetError}
 */
export async function readDataset(path: string): Promise<Example[]> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new DatasetError(`cannot read ${path}: ${REASONS[error.code ?? ''] ?? error.message}`)
  })
  return parseDataset(decode(bytes, path), path)
}

const REASONS: Partial<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a directory',
  EACCES: 'permission denied',
}

function decode(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new DatasetError(`${name} is not UTF-8 text`)
  }
}

/**
 * Takes the text of a dataset apart. Blank lines are skipped but counted, so that line numbers match an editor's.
 *
 * @throws {DatasetError}
 */
export function parseDataset(text: string, name: string): Example[] {
  const examples = text.split('\n').flatMap((line, index) => {
    if (line.trim() === '') return []
    try {
      return [parseExample(line)]
    } catch (error) {
      throw new DatasetError(`${name}, line ${index + 1}: ${error instanceof Error ? error.message : error}`)
    }
  })
  if (examples.length === 0) throw new DatasetError(`${name} has no examples`)
  return examples
}

function parseExample(line: string): Example {
  const { messages } = asRecord(parseJson(line), 'the line')
  if (!Array.isArray(messages)) throw new Error('"messages" must be a list')

  const prompt = messages.slice(0, -1)
  for (const [index, message] of prompt.entries()) {
    if (typeof asRecord(message, `messages[${index}]`).role !== 'string') {
      throw new Error(`messages[${index}] has no role`)
    }
  }
  if (prompt.length === 0) throw new Error('"messages" needs a question before the answer')

  const answer = asRecord(messages.at(-1), 'the last message')
  if (answer.role !== 'assistant' || typeof answer.content !== 'string') {
    throw new Error('the last message must be the assistant’s, with its text as "content"')
  }
  return { prompt, expected: answer.content }
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch (error) {
    // The engine counts lines too, but within this one line: "(line 1 column 2)" would contradict ours.
    const reason =
      error instanceof Error ? error.message.replace(/ \(line \d+ column \d+\)$/, '') : String(error)
    throw new Error(`not JSON: ${reason}`)
  }
}

function asRecord(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Error(`${what} must be a JSON object`)
  }
  return { ...value }
}
