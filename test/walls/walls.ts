/**
 * The walls of the house: which room may import which. Types count like values.
 * @module
 */

/** A file and what it imports, as paths from the project's root. */
export interface Imports {
  file: string
  imports: string[]
}

/** For each room of `shared/` the rooms it may enter. Listed from the ground up: a room only enters rooms above it here. */
const MAY_ENTER: Record<string, readonly string[]> = {
  openai: [],
  platform: ['openai'],
  credentials: ['openai', 'platform'],
  providers: ['openai', 'platform', 'credentials'],
  access: ['openai', 'platform', 'credentials'],
  datasets: ['openai', 'platform', 'providers'],
  spending: ['openai', 'platform', 'providers', 'access'],
  serving: ['openai', 'platform', 'providers'],
  webhooks: ['openai', 'platform'],
  training: ['openai', 'platform', 'providers', 'datasets', 'spending', 'serving', 'webhooks'],
}

/** The files that choose a platform. */
const ENTRIES = ['functions/worker.ts', 'functions/lambda.ts']
/** Providers that speak OpenAI's wire with differences. */
const KIN_OF_OPENAI = ['providers/openai_compatible', 'providers/azure']
/** What the product consists of; nothing of it knows what stands around it. */
const PRODUCT = ['functions', 'shared']
const AROUND = ['sandbox', 'test', 'bench', 'examples']

const top = (file: string) => file.split('/')[0] ?? ''
const room = (file: string) => /^shared\/([^/]+)\//.exec(file)?.[1]
/** A folder within `shared/providers/` or `shared/platform/`: one provider, one platform. */
const chamber = (file: string) => /^shared\/((?:providers|platform)\/[^/]+)\//.exec(file)?.[1]
const isDoor = (file: string) => file.endsWith('/index.ts')

/** Why this import goes through a wall, or undefined. */
export const objection = (from: string, to: string): string | undefined => {
  if (PRODUCT.includes(top(from)) && AROUND.includes(top(to)))
    return 'the product knows nothing of what stands around it'
  if (top(from) === 'shared' && top(to) === 'functions') return 'nothing imports functions'
  if (top(from) === 'sandbox' && PRODUCT.includes(top(to)))
    return 'the sandbox is an independent judge and shares no code with the gateway'
  if (!PRODUCT.includes(top(from))) return undefined

  const [here, there] = [room(from), room(to)]
  if (there === undefined) return undefined
  if (chamber(to) !== undefined && chamber(to) !== chamber(from)) {
    if (there === 'platform')
      return ENTRIES.includes(from) ? undefined : 'only the platform entries choose an adapter'
    // Who speaks OpenAI's wire builds on OpenAI's folder.
    const isKin = chamber(to) === 'providers/openai' && KIN_OF_OPENAI.includes(chamber(from) ?? '')
    if (from !== 'shared/providers/registry.ts' && !isKin) return 'a provider is known to the registry alone'
  }
  if (here === there) return undefined
  if (!isDoor(to)) return 'a room has one door, its index.ts'
  if (here !== undefined && !MAY_ENTER[here]?.includes(there))
    return `shared/${here} does not enter shared/${there}`
  return undefined
}

/** Every import through a wall, as a line to read. */
export const violations = (graph: Imports[]): string[] =>
  graph.flatMap(({ file, imports }) =>
    imports.flatMap(to => {
      const why = objection(file, to)
      return why === undefined ? [] : [`${file} → ${to}: ${why}`]
    }),
  )
