/** Small parts on their own, under all inputs. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Ledger } from '../../sandbox/ledger.ts'
import { resolveHyperparameters } from '../../sandbox/openai/hyperparameters.ts'
import { type ByteOrderMark, JsonlCheck } from '../../sandbox/openai/jsonl.ts'
import { exampleOf } from '../../sandbox/openai/synthesis.ts'
import { countTokens, tokenize } from '../../sandbox/openai/tokens.ts'
import { Readiness } from '../../sandbox/readiness.ts'

const text = fc.string({
  unit: fc.oneof(fc.constantFrom(' ', '\n', 'a', 'Ä', '7', '_', '.'), fc.string({ unit: 'grapheme' })),
})

describe('tokens', () => {
  it('joined are the text', () => {
    fc.assert(
      fc.property(text, each => {
        expect(tokenize(each).join('')).toBe(each)
      }),
    )
  })

  it.each([
    ['', 0],
    ['hello', 1],
    ['hello, world', 3],
    ['card_arrival', 3],
    ['internationalization', 3],
    [' \n ', 1],
  ])('of %j are %i', (each, count) => {
    expect(countTokens(each)).toBe(count)
  })
})

describe('the JSONL check', () => {
  const verdict = (
    bytes: Uint8Array,
    cuts: readonly number[],
    mark: ByteOrderMark = 'refused',
  ): string | undefined => {
    const check = new JsonlCheck(mark)
    let start = 0
    for (const cut of cuts.map(at => at % (bytes.byteLength + 1)).toSorted((a, b) => a - b)) {
      check.write(bytes.subarray(start, cut))
      start = cut
    }
    check.write(bytes.subarray(start))
    return check.end()
  }

  it('says the same however the bytes are cut', () => {
    const line = fc.oneof(
      fc.json({ stringUnit: 'grapheme' }),
      fc.record({ a: fc.string({ unit: 'grapheme' }) }).map(each => JSON.stringify(each)),
      fc.constant('{"broken"'),
    )
    fc.assert(
      fc.property(fc.array(line), fc.array(fc.nat()), (lines, cuts) => {
        const bytes = new TextEncoder().encode(lines.join('\n'))
        expect(verdict(bytes, cuts)).toBe(verdict(bytes, []))
      }),
    )
  })

  it.each([
    ['objects', '{"a":"你好"}\n{}\r\n{"b":1}', undefined],
    ['an array', '{}\n[1]\n{}', 'Line 2 '],
    ['half a line', '{}\n{}\n{"a":', 'Line 3 '],
  ])('of %s', (_name, content, message) => {
    const bytes = new TextEncoder().encode(content)
    const found = verdict(bytes, [...bytes.keys()])
    if (message === undefined) expect(found).toBeUndefined()
    else expect(found).toContain(message)
  })

  it('asks for a byte order mark or refuses it, wherever the bytes are cut', () => {
    const marked = new TextEncoder().encode('\uFEFF{"a":1}\n')
    const plain = marked.subarray(3)
    fc.assert(
      fc.property(fc.array(fc.nat()), cuts => {
        expect(verdict(marked, cuts, 'required')).toBeUndefined()
        expect(verdict(plain, cuts, 'required')).toMatch(/byte order mark/)
        expect(verdict(marked, cuts, 'refused')).toContain('Line 1 ')
        expect(verdict(plain, cuts, 'refused')).toBeUndefined()
      }),
    )
  })

  it('of bytes that are no UTF-8', () => {
    expect(verdict(Uint8Array.of(0x7b, 0x7d, 0x0a, 0xff, 0x0a), [])).toMatch(/UTF-8/)
    expect(verdict(Uint8Array.of(0x7b, 0x7d, 0x0a, 0xe4, 0xbd), [])).toMatch(/UTF-8/)
  })
})

describe('a ledger', () => {
  it('pages through what is left, in either order, whatever the page size', () => {
    const order = fc.constantFrom('asc' as const, 'desc' as const)
    fc.assert(
      fc.property(
        fc.nat(30),
        fc.array(fc.nat(30)),
        fc.integer({ min: 1, max: 7 }),
        order,
        (size, gone, limit, order) => {
          const ledger = new Ledger<{ id: string }>()
          for (let index = 0; index < size; index++) ledger.add({ id: String(index) })
          for (const index of gone) ledger.delete(String(index))
          const expected = Array.from(ledger, ({ id }) => id)
          expect(ledger.size).toBe(expected.length)
          const found: string[] = []
          for (;;) {
            const page = ledger.page({ limit, order, after: found.at(-1) })
            found.push(...(page?.data ?? []).map(({ id }) => id))
            if (!page?.hasMore) break
            expect(page.data).toHaveLength(limit)
          }
          expect(found).toEqual(order === 'asc' ? expected : expected.toReversed())
        },
      ),
    )
  })

  it('knows no page after an unknown id', () => {
    expect(new Ledger().page({ limit: 1, order: 'asc', after: 'x' })).toBeUndefined()
  })
})

describe('readiness', () => {
  it.each([
    [0, 'ready', ['ready', 'ready']],
    [1, 'accepted', ['ready', 'ready']],
    [3, 'accepted', ['working', 'working', 'ready', 'ready']],
  ])('after %i looks', (looks, first, then) => {
    const readiness = new Readiness(looks)
    expect(readiness.stage).toBe(first)
    expect(then.map(() => readiness.look())).toEqual(then)
  })

  it('is not for the attempt that brings it', () => {
    const readiness = new Readiness(2)
    expect([1, 2, 3].map(() => readiness.attempt())).toEqual([false, false, true])
  })
})

describe('"auto"', () => {
  it.each([
    [10, 10, 4],
    [200, 10, 4],
    [9_000, 5, 36],
    [1_000_000, 3, 256],
  ])('for %i examples is %i epochs in batches of %i', (examples, n_epochs, batch_size) => {
    const resolved = resolveHyperparameters(
      { type: 'supervised', hyperparameters: { n_epochs: 'auto' } },
      examples,
    )
    expect(resolved).toEqual({ n_epochs, batch_size, learning_rate_multiplier: 1 })
  })

  it('is only for what was not given', () => {
    const hyperparameters = { n_epochs: 1, batch_size: 2, learning_rate_multiplier: 3, beta: 1 }
    expect(resolveHyperparameters({ type: 'dpo', hyperparameters }, 200)).toEqual(hyperparameters)
  })
})

describe('the smallest example of a schema', () => {
  it.each([
    [{ type: 'string', minLength: 2 }, 'xx'],
    [{ type: 'integer', exclusiveMinimum: 1 }, 2],
    [{ type: ['number', 'null'], minimum: 0.5 }, 0.5],
    [{ enum: ['b', 'a'] }, 'b'],
    [{ const: 0 }, 0],
    [{ type: 'array', items: { type: 'boolean' }, minItems: 2 }, [false, false]],
    [
      { $ref: '#/$defs/x', $defs: { x: { type: 'object', required: ['y'], properties: { y: {} } } } },
      { y: {} },
    ],
    [{ type: 'object', properties: { a: { type: 'string' } } }, {}],
  ])('of %j', (schema, example) => {
    expect(exampleOf(schema)).toEqual(example)
  })

  it('ends where a schema contains itself', () => {
    const node = { type: 'object', properties: { next: { $ref: '#' } }, required: ['next'] }
    expect(JSON.stringify(exampleOf(node))).toContain('null')
  })
})
