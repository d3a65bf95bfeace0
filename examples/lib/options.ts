/** What can be typed after `npm run demo --`. @module */
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

export const HELP = `Usage: npm run demo [-- options]

Starts the gateway and its sandbox, tunes a model on a dataset and examines it on questions it has never seen.

Options:
  --train FILE   training examples, chat JSONL      (default examples/support/train.jsonl)
  --valid FILE   validation examples                (default examples/support/valid.jsonl; optional with --train)
  --test FILE    held-out questions with answers    (default examples/support/test.jsonl)
  --model NAME   base model                         (default gpt-4.1-mini-2025-04-14)
  --epochs N     passes over the training examples  (default: the provider decides)
  --help         this text

With --train or --valid of your own, give --test too: the questions must be on the same subject.
`

/** Settings of one demo run. */
export interface DemoOptions {
  train: string
  /** Absent: the job runs without validation. */
  valid?: string | undefined
  test: string
  model: string
  /** Absent: the provider decides. */
  epochs?: number | undefined
}

/** What was typed makes no sense; the message says why. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/**
 * Reads the command line; `'help'` if that is what was asked for.
 *
 * @throws {UsageError}
 */
export function parseOptions(args: string[]): DemoOptions | 'help' {
  const { help, train, valid, test, model, epochs } = parse(args).values
  if (help) return 'help'

  const common = {
    model: model ?? 'gpt-4.1-mini-2025-04-14',
    epochs: epochs === undefined ? undefined : positiveInteger('--epochs', epochs),
  }
  if (!train && !valid && !test) {
    return { ...common, train: ours('train'), valid: ours('valid'), test: ours('test') }
  }
  if (!train || !test) throw new UsageError('a dataset of your own needs both --train and --test')
  return { ...common, train, valid, test }
}

function parse(args: string[]) {
  try {
    const text = { type: 'string' } as const
    return parseArgs({
      args,
      options: {
        train: text,
        valid: text,
        test: text,
        model: text,
        epochs: text,
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

function positiveInteger(flag: string, text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new UsageError(`${flag} takes a whole number from 1, not "${text}"`)
  return Number(text)
}

const ours = (split: string): string => fileURLToPath(new URL(`../support/${split}.jsonl`, import.meta.url))
