/** The pages that speak of tests and codes, held against both. */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { createApp } from '../../functions/app.ts'
import { defineConfig } from '../../shared/config.ts'
import { PROBLEM_CODES, PROVIDER_ERROR_CODES, SOURCE_FORMATS } from '../../shared/openai/index.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const read = (path: string) => readFileSync(ROOT + path, 'utf8')

/** The cells of every table's rows, but for the heads. */
const rowsOf = (page: string): string[][] =>
  page
    .split('\n')
    .filter(line => line.startsWith('|') && !/^\|[-| ]+\|$/.test(line))
    .map(line =>
      line
        .split('|')
        .slice(1, -1)
        .map(cell => cell.trim()),
    )
    .filter(([first]) => first !== 'code' && first !== 'operation')

describe('docs/errors.md', () => {
  it('lists exactly the codes there are', () => {
    const source = read('shared/openai/errors.ts')
    const union = /export type GatewayErrorCode =([\s\S]*?)\n\n/.exec(source)?.[1] ?? ''
    const gateway = [...union.matchAll(/'(\w+)'/g)].map(([, code]) => code)
    expect(gateway.length).toBeGreaterThan(20)
    const listed = rowsOf(read('docs/errors.md')).map(([code]) => code?.replaceAll('`', ''))
    expect(listed.toSorted()).toEqual([...gateway, ...PROVIDER_ERROR_CODES].toSorted())
  })
})

describe('docs/datasets.md', () => {
  const page = read('docs/datasets.md')
  const codesOf = (part: string) =>
    rowsOf(part).flatMap(([first = '']) => /^`(\w+)`$/.exec(first)?.slice(1) ?? [])

  it('lists exactly the problems there are', () => {
    const problems = page.slice(page.indexOf('## Problems'), page.indexOf('## There and back'))
    expect(codesOf(problems).toSorted()).toEqual([...PROBLEM_CODES].toSorted())
  })

  it('lists exactly the formats there are', () => {
    const formats = page.slice(page.indexOf('## What may be uploaded'), page.indexOf('### CSV columns'))
    expect(codesOf(formats).toSorted()).toEqual([...SOURCE_FORMATS].toSorted())
  })
})

describe('docs/conformance.md', () => {
  const rows = rowsOf(read('docs/conformance.md'))

  /** A title as it stands in a source, in whatever quotes. */
  const isTitleIn = (source: string, title: string) =>
    [`'${title.replaceAll("'", "\\'")}'`, `"${title.replaceAll('"', '\\"')}"`, `\`${title}\``].some(literal =>
      source.includes(literal),
    )

  it.each(rows)('%s: %s', (_operation, _rule, test = '') => {
    const [, path = '', title = ''] = /^`(test\/[\w./-]+)` › (.+)$/.exec(test) ?? []
    expect(test).toContain(' › ')
    expect(existsSync(ROOT + path)).toBe(true)
    expect(isTitleIn(read(path), title)).toBe(true)
  })

  const routes = createApp(defineConfig())
    .routes.filter(({ method, path }) => method !== 'ALL' && path !== '*' && !path.endsWith('/*'))
    .map(({ method, path }) => `${method} ${path.replace(/:(\w+)(\{[^}]*\})?/g, '{$1}')}`)

  it.each([...new Set(routes)])('has a row for %s', route => {
    expect(rows.map(([operation]) => operation)).toContain(`\`${route}\``)
  })
})
