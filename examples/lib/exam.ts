/** Asks a model every held-out question and marks the answers. @module */
import type OpenAI from 'openai'
import type { Example } from './dataset.ts'

/** One question, answered. */
export interface Answer {
  question: Example
  text: string
  right: boolean
  /** Milliseconds from the request to the whole answer. */
  latencyMs: number
}

/** What a model achieved. */
export interface Score {
  right: number
  total: number
  /** From 0 to 1. */
  accuracy: number
  medianMs: number
  p95Ms: number
}

/** Asks all questions, `concurrency` at a time; the answers are in the order of the questions. */
export async function examine(
  client: OpenAI,
  model: string,
  questions: readonly Example[],
  { concurrency = 16, onAnswer = (_done: number): void => {} } = {},
): Promise<Answer[]> {
  // One untimed wave first: opening connections and compiling code is not the model's latency.
  await Promise.all(questions.slice(0, concurrency).map(question => ask(client, model, question)))

  const answers: Answer[] = []
  const queue = questions.entries()
  let done = 0

  const worker = async (): Promise<void> => {
    // All workers share one iterator: each takes the next question when it is free.
    for (const [index, question] of queue) {
      answers[index] = await ask(client, model, question)
      onAnswer(++done)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
  return answers
}

async function ask(client: OpenAI, model: string, question: Example): Promise<Answer> {
  const start = performance.now()
  const completion = await client.chat.completions.create({
    model,
    messages: question.prompt,
    temperature: 0,
  })
  const latencyMs = performance.now() - start
  const text = completion.choices[0]?.message.content ?? ''
  return { question, text, right: text.trim() === question.expected.trim(), latencyMs }
}

/** Adds up the answers. */
export function scoreOf(answers: readonly Answer[]): Score {
  const right = answers.filter(answer => answer.right).length
  const latencies = answers.map(answer => answer.latencyMs).sort((a, b) => a - b)
  return {
    right,
    total: answers.length,
    accuracy: answers.length > 0 ? right / answers.length : 0,
    medianMs: percentile(latencies, 0.5),
    p95Ms: percentile(latencies, 0.95),
  }
}

/** Nearest rank: the smallest value that at least `share` of all values do not exceed; NaN if there are none. */
export const percentile = (sorted: readonly number[], share: number): number =>
  sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
