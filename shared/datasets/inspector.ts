/**
 * What there is to know of a dataset, while its bytes pass by once: its problems, its measures, and its canonical lines.
 * @module
 */
import type {
  DatasetProblem,
  DatasetReport,
  DatasetSummary,
  Declaration,
  ProblemCode,
  Severity,
} from '../openai/index.ts'
import { createTally } from './distribution.ts'
import { exampleProblem, ROLES } from './example.ts'
import { createFingerprints, type Fingerprints, fingerprint } from './fingerprints.ts'
import { type Example, FORMATS, isPreference, type Message } from './formats/index.ts'
import { createInput, type InputProblem, within } from './input/index.ts'
import { type ExampleRule, FACTS, factsOf, type MessageRule } from './rule.ts'
import { RULES } from './rules.ts'
import { ANYONE, type Target } from './target.ts'
import { type ExampleTokens, errorOf, type TokenCounter } from './tokens/index.ts'

/** OpenAI trains on no fewer. */
export const FEWEST_EXAMPLES = 10
/** Problems told in full; the rest is counted. */
export const MOST_PROBLEMS = 100
/** The longest examples that a summary names. */
const MOST_LONGEST = 5

export interface Counting {
  counter: TokenCounter
  /** Tokens of an example with all that a provider adds around its texts. */
  exampleTokens(counter: TokenCounter, example: Example): ExampleTokens
}

export interface InspectorOptions {
  declaration?: Declaration
  /** For whom it is judged. */
  target?: Target
  /** Without it only characters are counted. */
  counting?: Counting | undefined
  /** The training file's examples, when this is the validation file to it. */
  training?: Fingerprints | undefined
  /** Gets each sound example as a line without its end: canonical, or in the target's format. */
  onLine?: (text: string) => void
  lines?: 'canonical' | 'target'
}

export interface Inspector {
  /** Takes the next bytes. @returns false when nothing more can be made of them. */
  write(bytes: Uint8Array): boolean
  /** The report when all bytes are through. */
  end(): DatasetReport
  readonly format: DatasetSummary['format']
  /** Whether the bytes are canonical JSONL as they are. */
  readonly isCanonical: boolean
  readonly fingerprints: Fingerprints
}

/** Problems of the bytes and the container that are none of the training. */
const MILD: ReadonlySet<ProblemCode> = new Set(['byte_order_mark', 'csv_unused_columns'])

/** Keeps the first errors and the first warnings, and counts all. */
const createProblems = () => {
  const kept: Record<Severity, DatasetProblem[]> = { error: [], warning: [] }
  const counts: Partial<Record<ProblemCode, number>> = {}
  const totals: Record<Severity, number> = { error: 0, warning: 0 }
  const place = ({ line }: DatasetProblem) => line ?? 0
  return {
    add(severity: Severity, code: ProblemCode, line: number | null, path: string, message: string) {
      counts[code] = (counts[code] ?? 0) + 1
      if (++totals[severity] <= MOST_PROBLEMS) kept[severity].push({ line, path, severity, code, message })
    },
    counts,
    totals,
    /** Errors go first when there is not room for all; then by line. */
    get first() {
      return [...kept.error, ...kept.warning].slice(0, MOST_PROBLEMS).sort((a, b) => place(a) - place(b))
    },
  }
}

const charactersOf = ({ content }: Message): number => {
  if (typeof content === 'string') return content.length
  let sum = 0
  for (const { text } of content ?? []) if (typeof text === 'string') sum += text.length
  return sum
}

export const createInspector = ({
  declaration = {},
  target = ANYONE,
  counting,
  training,
  onLine,
  lines: linesAs = 'canonical',
}: InspectorOptions = {}): Inspector => {
  const problems = createProblems()
  const fingerprints = createFingerprints()
  const characters = createTally()
  const tokens = createTally()
  /** Images whose tokens are a guess. */
  let guessed = 0
  const roles = new Uint32Array(ROLES.length)
  const kinds = { chat: 0, preference: 0 }
  let longest: DatasetSummary['longest'] = []
  /** The size from which an example is among the longest. */
  let long = 0
  let bytes = 0
  let duplicates = 0
  let overlap = 0
  let isComplete = true

  const tell = problems.add

  // The place at hand; kept outside, so that the rules need no closure for each example and each message.
  let at = 0
  let index: number | undefined
  let list = 'messages'
  let place = 0
  const active = RULES.flatMap(rule => {
    const severity = rule.severity(target)
    return severity === undefined ? [] : [{ rule, severity, needs: FACTS[rule.needs ?? 'any'] }]
  })
  const ofExamples = active.flatMap(({ rule, severity, needs }) => {
    const report = (path: string, message: string) =>
      tell(severity, rule.code, at, within(index, path), message)
    return 'find' in rule ? [{ rule: rule as ExampleRule, needs, report }] : []
  })
  const ofMessages = active.flatMap(({ rule, severity, needs }) => {
    const report = (path: string, message: string) =>
      tell(severity, rule.code, at, within(index, `${list}[${place}]${path}`), message)
    return 'findIn' in rule ? [{ rule: rule as MessageRule, needs, report }] : []
  })
  const { convert } = FORMATS[target.format]

  /** What the example at hand holds, and how long its texts are. */
  let facts = 0
  let length = 0
  const walk = (messages: Message[], path: string) => {
    list = path
    for (place = 0; place < messages.length; place++) {
      const message = messages[place]
      if (!message) continue
      const role = ROLES.indexOf(message.role)
      roles[role] = (roles[role] ?? 0) + 1
      length += charactersOf(message)
      const found = factsOf(message)
      facts |= found
      for (let which = 0; which < ofMessages.length; which++) {
        const each = ofMessages[which]
        if (each && (found & each.needs) !== 0) each.rule.findIn(message, each.report)
      }
    }
  }
  const walkExample = (example: Example) => {
    facts = FACTS.any
    length = 0
    if (!isPreference(example)) {
      kinds.chat++
      return walk(example.messages, 'messages')
    }
    kinds.preference++
    facts |= FACTS.preference
    walk(example.input.messages, 'input.messages')
    walk(example.preferred_output, 'preferred_output')
    walk(example.non_preferred_output, 'non_preferred_output')
  }

  const checkTokens = (found: ExampleTokens) => {
    const limit = target.limits.tokens
    const { tokens: count } = found
    if (!limit || !counting || count <= limit.most) return
    const { name } = counting.counter
    const error = errorOf(counting.counter, found)
    const isCertain = count * (1 - error) > limit.most
    const about = error === 0 ? '' : `about `
    const fate = limit.isCut ? 'the provider cuts the rest off' : 'the provider refuses it'
    tell(
      isCertain && !limit.isCut ? 'error' : 'warning',
      'too_many_tokens',
      at,
      within(index, ''),
      `has ${about}${count} tokens (${name}); ${limit.most} are the most: ${fate}`,
    )
  }

  const measure = (example: Example) => {
    characters.add(length)
    let tokenCount: number | null = null
    if (counting) {
      const found = counting.exampleTokens(counting.counter, example)
      tokenCount = found.tokens
      guessed += found.guessed
      tokens.add(tokenCount)
      checkTokens(found)
    }
    const size = tokenCount ?? length
    if (size <= long && longest.length === MOST_LONGEST) return
    longest = [...longest, { line: at, characters: length, tokens: tokenCount }]
      .sort((a, b) => (b.tokens ?? b.characters) - (a.tokens ?? a.characters))
      .slice(0, MOST_LONGEST)
    const last = longest.at(-1)
    long = last?.tokens ?? last?.characters ?? 0
  }

  const compare = (example: Example) => {
    const print = fingerprint(example)
    const before = fingerprints.add(print, at)
    if (before !== 0) {
      duplicates++
      tell('warning', 'duplicate_example', at, within(index, ''), `is the same example as line ${before}`)
    }
    const trained = training?.find(print) ?? 0
    if (trained === 0) return
    overlap++
    tell('warning', 'validation_overlap', at, within(index, ''), `is line ${trained} of the training file`)
  }

  const onValue = (value: unknown, line: number, text: string | undefined, element: number | undefined) => {
    at = line
    index = element
    const wrong = exampleProblem(value)
    if (wrong) return tell('error', wrong.code, line, within(index, wrong.path), wrong.message)
    const example = value as Example
    walkExample(example)
    measure(example)
    compare(example)
    for (const { rule, needs, report } of ofExamples) if (facts & needs) rule.find(example, report, target)
    if (!convert) return onLine?.(text ?? JSON.stringify(example))
    const { line: converted, losses } = convert(example)
    for (const { path, message, code = 'not_carried_over' } of losses)
      tell('error', code, line, within(index, path), message)
    if (!onLine) return
    if (linesAs === 'canonical') onLine(text ?? JSON.stringify(example))
    else if (converted !== undefined) onLine(JSON.stringify(converted))
  }
  const onProblem = ({ line, path, code, message }: InputProblem) =>
    tell(MILD.has(code) ? 'warning' : 'error', code, line, path, message)

  const input = createInput(declaration, { onValue, onProblem })

  const checkCount = (count: number) => {
    const { least = 0, most = Number.POSITIVE_INFINITY } = target.limits.examples ?? {}
    const fewest = Math.max(FEWEST_EXAMPLES, least)
    const examples = count === 1 ? 'example' : 'examples'
    // Each line that is wrong has been told; that too few are left is only news when there is nothing else.
    if (count < fewest && training === undefined)
      tell(
        'error',
        'too_few_examples',
        null,
        '',
        `The file has ${count} ${examples}; fine-tuning needs at least ${fewest}`,
      )
    if (count > most && training === undefined)
      tell('error', 'too_many_examples', null, '', `The file has ${count} ${examples}; ${most} are the most`)
  }

  return {
    get format() {
      return input.format
    },
    get isCanonical() {
      return input.isCanonical
    },
    fingerprints,
    write(chunk) {
      bytes += chunk.length
      isComplete &&= input.write(chunk)
      return isComplete
    },
    end() {
      if (isComplete) isComplete = input.end()
      if (input.hasMark)
        tell(
          'warning',
          'byte_order_mark',
          1,
          '',
          'begins with a byte order mark, which is left out on the way',
        )
      const examples = kinds.chat + kinds.preference
      checkCount(examples)
      const counted = tokens.result()
      return {
        object: 'dataset.report',
        valid: problems.totals.error === 0,
        examples,
        problems: problems.first,
        problem_counts: problems.counts,
        errors: problems.totals.error,
        warnings: problems.totals.warning,
        summary: {
          format: input.format,
          bytes,
          lines: input.lines,
          examples,
          kinds,
          roles: Object.fromEntries(
            ROLES.flatMap((role, which) => (roles[which] ? [[role, roles[which]]] : [])),
          ),
          characters: characters.result(),
          tokens:
            counted && counting
              ? {
                  ...counted,
                  counter: counting.counter.name,
                  exact: counting.counter.exact && guessed === 0,
                  error: errorOf(counting.counter, { tokens: counted.total, guessed }),
                }
              : null,
          longest,
          duplicates,
          ...(training && { overlap }),
          compared: fingerprints.size,
          is_complete: isComplete,
        },
      }
    },
  }
}
