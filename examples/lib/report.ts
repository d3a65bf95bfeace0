/** What the demo prints about answers: pure functions from marks to text. @module */
import type { ChatCompletionMessageParam } from 'openai/resources/chat/completions'
import type { Answer, Score } from './exam.ts'
import type { Target } from './options.ts'
import { clip, table } from './table.ts'

/** The table of models: how often each was right, and how long its answers took. */
export function scoreTable(scores: readonly (readonly [model: string, score: Score])[]): string {
  const rows = scores.map(([model, { right, total, accuracy, medianMs, p95Ms }]) => [
    model,
    `${right}/${total}`,
    percent(accuracy),
    milliseconds(medianMs),
    milliseconds(p95Ms),
  ])
  return table(['model', 'right', 'accuracy', 'median', 'p95'], rows)
}

/** What came of the story at one provider. */
export interface Outcome {
  base: Score
  tuned: Score
  /** From the creation of the job until its success was seen. */
  trainingSeconds: number
}

/** The table of providers. Latencies are the tuned model's; where the story broke off there is nothing but a dash. */
export function comparisonTable(
  outcomes: readonly (readonly [target: Target, outcome: Outcome | undefined])[],
): string {
  const rows = outcomes.map(([{ provider, model }, outcome]) => [
    provider,
    model,
    ...(outcome ? figuresOf(outcome) : ['–', '–', '–', '–', '–']),
  ])
  const heading = ['provider', 'base model', 'base', 'tuned', 'median', 'p95', 'training']
  return table(heading, rows, 2)
}

const figuresOf = ({ base, tuned, trainingSeconds }: Outcome): string[] => [
  percent(base.accuracy),
  percent(tuned.accuracy),
  milliseconds(tuned.medianMs),
  milliseconds(tuned.p95Ms),
  `${trainingSeconds.toFixed(1)} s`,
]

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`
const milliseconds = (value: number): string => `${value.toFixed(1)} ms`

/** One question with both answers, to see with one's own eyes what the figures mean. */
export function sample(base: Answer, tuned: Answer, width: number): string {
  const mark = ({ text, right }: Answer): string => `${right ? '✓' : '✗'} ${clip(text, width - 10)}`
  return [
    `“${clip(lastText(base.question.prompt), width - 2)}”`,
    `  base   ${mark(base)}`,
    `  tuned  ${mark(tuned)}`,
    ...(tuned.right ? [] : [`  wanted   ${clip(base.question.expected, width - 10)}`]),
  ].join('\n')
}

function lastText(prompt: readonly ChatCompletionMessageParam[]): string {
  const content = prompt.at(-1)?.content
  return typeof content === 'string' ? content : JSON.stringify(content ?? '')
}

/** Up to `count` of them, spread evenly from the first to the last. */
export function spread<T>(values: readonly T[], count: number): T[] {
  if (values.length <= count) return [...values]
  return Array.from({ length: count }, (_, index) =>
    values.slice(Math.round((index * (values.length - 1)) / Math.max(1, count - 1))).slice(0, 1),
  ).flat()
}
