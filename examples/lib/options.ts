/** What can be typed after `npm run demo --`. @module */
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { STACK_PLATFORMS, type StackPlatform } from '../../sandbox/stack.ts'
import { PROVIDER_NAMES, type ProviderName, traitsOf } from './providers.ts'

export const HELP = `Usage: npm run demo [-- options]

Starts the gateway and its sandbox, tunes a model on a dataset and examines it on questions it has never seen.

Options:
  --provider P   where to tune, or "all" of them in turn (default openai)
                 ${PROVIDER_NAMES.join(', ')}
  --train FILE   training examples, chat JSONL      (default examples/support/train.jsonl)
  --valid FILE   validation examples                (default examples/support/valid.jsonl; optional with --train)
  --test FILE    held-out questions with answers    (default examples/support/test.jsonl)
  --model NAME   base model                         (default by provider: see below; not with "all")
  --platform P   where the gateway runs: ${STACK_PLATFORMS.join(' or ')} (default cloudflare)
  --epochs N     passes over the training examples  (default: the provider decides)
  --help         this text

With --train or --valid of your own, give --test too: the questions must be on the same subject.

Base models unless --model says otherwise:
${PROVIDER_NAMES.map(name => `  ${name.padEnd(18)} ${traitsOf(name).model}`).join('\n')}
`

/** A provider and the base model to tune there. */
export interface Target {
  provider: ProviderName
  model: string
}

/** Settings of one demo run. */
export interface DemoOptions {
  /** One, or all there are. */
  targets: Target[]
  train: string
  /** Absent: the job runs without validation. */
  valid?: string | undefined
  test: string
  /** Absent: the provider decides. */
  epochs?: number | undefined
  platform: StackPlatform
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
  const { help, provider, platform, model, train, valid, test, epochs } = parse(args).values
  if (help) return 'help'

  const common = {
    targets: targetsOf(provider, model),
    platform: platformOf(platform),
    epochs: epochs === undefined ? undefined : positiveInteger('--epochs', epochs),
  }
  if (!train && !valid && !test) {
    return { ...common, train: ours('train'), valid: ours('valid'), test: ours('test') }
  }
  if (!train || !test) throw new UsageError('a dataset of your own needs both --train and --test')
  return { ...common, train, valid, test }
}

function platformOf(name = 'cloudflare'): StackPlatform {
  const known = STACK_PLATFORMS.find(platform => platform === name)
  if (known) return known
  throw new UsageError(`--platform takes ${STACK_PLATFORMS.join(' or ')}, not "${name}"`)
}

function targetsOf(provider = 'openai', model: string | undefined): Target[] {
  if (provider === 'all') {
    if (model !== undefined) throw new UsageError('--model goes with one provider, not with "all"')
    return PROVIDER_NAMES.map(name => ({ provider: name, model: traitsOf(name).model }))
  }
  const known = PROVIDER_NAMES.find(name => name === provider)
  if (known) return [{ provider: known, model: model ?? traitsOf(known).model }]
  throw new UsageError(`--provider takes ${PROVIDER_NAMES.join(', ')} or all, not "${provider}"`)
}

function parse(args: string[]) {
  try {
    const text = { type: 'string' } as const
    return parseArgs({
      args,
      options: {
        provider: text,
        platform: text,
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
