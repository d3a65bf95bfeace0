import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createLineReader, type LineFault, LONGEST_LINE } from '../../shared/datasets/lines.ts'
import { cutAt, cuts, everyCut, joined, NOT_UTF8, utf8 } from './support/bytes.ts'

interface Read {
  lines: string[]
  numbers: number[]
  fault: LineFault | undefined
}

const read = (chunks: Uint8Array[]): Read => {
  const lines: string[] = []
  const numbers: number[] = []
  const reader = createLineReader((line, number) => {
    lines.push(line)
    numbers.push(number)
  })
  for (const chunk of chunks) {
    const fault = reader.write(chunk)
    if (fault) return { lines, numbers, fault }
  }
  return { lines, numbers, fault: reader.end() }
}

/** What a file's lines are, read all at once. */
const reference = (text: string): string[] => {
  const lines = text.replace(/^\uFEFF/, '').split('\n')
  if (lines.at(-1) === '') lines.pop()
  return lines.map(line => line.replace(/\r$/, ''))
}

const counted = (lines: string[]): Read => ({
  lines,
  numbers: lines.map((_, index) => index + 1),
  fault: undefined,
})

const piece = fc.oneof(
  fc.constantFrom(
    'a',
    '{"k":"v"}',
    'é',
    'ß',
    '漢',
    '한',
    '🎈',
    '👩‍👩‍👧',
    '\u{10FFFF}',
    '\uFEFF',
    '\u0000',
    '\u2028',
    ' ',
  ),
  fc.constantFrom('\n', '\r\n', '\r', '\n\n', '\r\r\n'),
  fc.string({ unit: 'binary', maxLength: 10 }),
)
const texts = fc.array(piece, { maxLength: 40 }).map(pieces => pieces.join(''))

describe('createLineReader', () => {
  it.each([
    ['', []],
    ['\n', ['']],
    ['\n\n', ['', '']],
    ['a', ['a']],
    ['a\n', ['a']],
    ['a\nb', ['a', 'b']],
    ['a\r\nb\r\n', ['a', 'b']],
    ['a\r\n\r\n\r\nb', ['a', '', '', 'b']],
    ['a\rb\n', ['a\rb']],
    ['a\r\r\n', ['a\r']],
    ['a\n\r', ['a', '']],
    ['\uFEFFa\n\uFEFFb', ['a', '\uFEFFb']],
    ['\uFEFF', []],
    ['\uFEFF\n', ['']],
    ['Grüße\n漢字\n🎈', ['Grüße', '漢字', '🎈']],
    ['\u2028\u0085\u000b\n', ['\u2028\u0085\u000b']],
  ])('%j → %j, whatever the cuts (Portkey 6: characters cut in two)', (text, lines) => {
    expect(reference(text)).toEqual(lines)
    for (const chunks of everyCut(utf8(text))) expect(read(chunks)).toEqual(counted(lines))
  })

  it('reads any short text the same at every cut', () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), pieces => {
        const text = pieces.join('')
        const expected = counted(reference(text))
        for (const chunks of everyCut(utf8(text))) expect(read(chunks)).toEqual(expected)
      }),
    )
  })

  it('reads any text the same in many pieces, some of them empty', () => {
    fc.assert(
      fc.property(texts, cuts(600), (text, offsets) => {
        const chunks = cutAt(utf8(text), offsets).flatMap(chunk => [new Uint8Array(), chunk])
        expect(read(chunks)).toEqual(counted(reference(text)))
      }),
      { numRuns: 500 },
    )
  })

  it('does not mind when its bytes are overwritten afterwards', () => {
    fc.assert(
      fc.property(texts, cuts(600), (text, offsets) => {
        const lines: string[] = []
        const reader = createLineReader(line => lines.push(line))
        for (const chunk of cutAt(utf8(text), offsets)) {
          reader.write(chunk)
          chunk.fill(0x2a)
        }
        expect(reader.end()).toBeUndefined()
        expect(lines).toEqual(reference(text))
      }),
    )
  })
})

describe('createLineReader, what is not UTF-8', () => {
  it.each(Object.entries(NOT_UTF8))('%s: the line is told, whatever the cuts', (_, bad) => {
    const places = [
      { before: '', after: '' },
      { before: '', after: 'x\n' },
      { before: 'a\n', after: '\nb\n' },
      { before: 'é\r\n\r\n漢🎈', after: 'x' },
      { before: 'a\nb\nc', after: '\r\n' },
      { before: '\uFEFFa\n\n', after: '🎈\n🎈' },
    ]
    for (const { before, after } of places) {
      const line = before.split('\n').length
      const bytes = joined([utf8(before), Uint8Array.from(bad), utf8(after)])
      // A chunk of two bytes may lie wholly within a character.
      const pairs = Array.from(bytes, (_, start) => cutAt(bytes, [start, start + 2]))
      for (const chunks of [...everyCut(bytes), ...pairs]) {
        const { fault, lines } = read(chunks)
        expect(fault).toEqual({ line, problem: 'not_utf8' })
        expect(lines).toEqual(reference(before).slice(0, line - 1))
      }
    }
  })

  it('anywhere in any text: the line and all lines before it are told', () => {
    fc.assert(
      fc.property(
        texts,
        fc.constantFrom(...Object.values(NOT_UTF8)),
        texts,
        cuts(1200),
        (before, bad, after, offsets) => {
          const bytes = joined([utf8(before), Uint8Array.from(bad), utf8(after)])
          const line = before.split('\n').length
          const { fault, lines } = read(cutAt(bytes, offsets))
          expect(fault).toEqual({ line, problem: 'not_utf8' })
          expect(lines).toEqual(reference(`${before}x`).slice(0, line - 1))
        },
      ),
      { numRuns: 1000 },
    )
  })
})

describe('createLineReader, long lines', () => {
  const long = utf8('x'.repeat(LONGEST_LINE))
  const longer = utf8(`${'x'.repeat(LONGEST_LINE)}y`)
  const cases: [string, Uint8Array[], LineFault | undefined][] = [
    ['the longest', [long], undefined],
    ['the longest, with a line end', [long, utf8('\n')], undefined],
    ['the longest, with CRLF', [joined([long, utf8('\r\n')])], undefined],
    ['the longest, with CRLF in pieces', [long, utf8('\r'), utf8('\n')], undefined],
    ['one more', [longer], { line: 1, problem: 'too_long' }],
    ['one more, in two pieces', cutAt(longer, [5]), { line: 1, problem: 'too_long' }],
    ['one more, whole with its line end', [joined([longer, utf8('\nz')])], { line: 1, problem: 'too_long' }],
    ['one more, cut before its end', [long, utf8('y\nz')], { line: 1, problem: 'too_long' }],
    ['one more, on line 3', [utf8('a\n\n'), longer], { line: 3, problem: 'too_long' }],
    [
      'one more, on line 3 of one piece',
      [joined([utf8('a\n\n'), longer, utf8('\n')])],
      { line: 3, problem: 'too_long' },
    ],
  ]
  it.each(cases)('%s', (_, chunks, fault) => {
    expect(read(chunks).fault).toEqual(fault)
  })

  it('many lines may be longer together', () => {
    const line = 'x'.repeat(1024 * 1024 - 1)
    const { lines, fault } = read(Array.from({ length: 9 }, () => utf8(`${line}\n`)))
    expect([lines.length, fault]).toEqual([9, undefined])
  })
})
