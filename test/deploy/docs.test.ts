/** The pages that say how to deploy, held against what there is to run and to set. */
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ROOT } from './template.ts'

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')
const PAGES = ['README.md', 'CONTRIBUTING.md', ...globSync('docs/*.md', { cwd: ROOT })]
const { scripts }: { scripts: Record<string, string> } = JSON.parse(read('package.json'))

const matchesIn = (paths: string[], pattern: RegExp): string[] => [
  ...new Set(paths.flatMap(path => [...read(path).matchAll(pattern)].map(([, found = '']) => found))),
]

describe('commands in the pages', () => {
  it.each(matchesIn(PAGES, /npm run (\w+(?::\w+)*)/g))('npm run %s is there', script => {
    expect(scripts).toHaveProperty([script])
  })

  it.each(matchesIn(PAGES, /npx (\w[\w-]*)/g))('npx %s is there', name => {
    expect(existsSync(join(ROOT, 'node_modules/.bin', name))).toBe(true)
  })

  it('point to pages that are there', () => {
    const broken = PAGES.flatMap(page =>
      [...read(page).matchAll(/\]\(([\w./-]+\.md)(?:#[\w-]+)?\)/g)]
        .map(([, target = '']) => join(page, '..', target))
        .filter(target => !existsSync(join(ROOT, target))),
    )
    expect(broken).toEqual([])
  })
})

/** Variables by the names of whose they are. */
const VARIABLE = /\b((?:TUNEGATE|OPENAI|AZURE|VERTEX|GOOGLE|AWS|BEDROCK|BUCKET)_[A-Z0-9_]+)\b/g
/** Names of an example's own. */
const EXAMPLES = ['AZURE_SWEDEN', 'OPENAI_EU']

describe('variables', () => {
  const sources = globSync(['shared/**/*.ts', 'functions/*.ts'], { cwd: ROOT })
  const used = matchesIn(sources, new RegExp(`'${VARIABLE.source}'`, 'g'))
  const told = matchesIn(['docs/configuration.md', 'docs/deploy-aws.md'], VARIABLE)

  it('that the code reads are explained', () => {
    expect(used.length).toBeGreaterThan(30)
    expect(used.filter(name => !told.includes(name) && !EXAMPLES.includes(name))).toEqual([])
  })

  it('that are explained are read', () => {
    expect(told.filter(name => !used.includes(name) && !EXAMPLES.includes(name))).toEqual([])
  })

  it('that the stack on AWS sets are read', () => {
    const environment = /\n {2}environment:\n((?: {4}.*\n)+)/.exec(read('serverless.yml'))?.[1] ?? ''
    const set = [...environment.matchAll(/^ {4}([A-Z_]+):/gm)].map(([, name = '']) => name)
    expect(set).toHaveLength(8)
    expect(set.filter(name => !used.includes(name))).toEqual([])
  })
})

describe('docs/deploy-aws.md', () => {
  it('lists exactly the parameters of the stack', () => {
    const page = read('docs/deploy-aws.md')
    const table = page.slice(page.indexOf('### Parameters'), page.indexOf('## 4.'))
    const listed = [...table.matchAll(/^\| ([^|]+) \|/gm)].flatMap(
      ([, cell = '']) => cell.match(/(?<=`)\w+(?=`)/g) ?? [],
    )
    const taken = [...new Set(read('serverless.yml').match(/(?<=\$\{param:)\w+/g))]
    expect(listed.toSorted()).toEqual(taken.toSorted())
  })
})
