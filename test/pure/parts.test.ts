/** A converted dataset in parts: the parts are the whole, and each can be made by itself. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { convert, survey } from '../../shared/datasets/convert.ts'
import { FORMATS } from '../../shared/datasets/formats/index.ts'
import { cutParts, FIRST_PART, type PartStart } from '../../shared/datasets/parts.ts'
import { plainChunks } from '../../shared/platform/index.ts'
import type { DatasetFormat } from '../../shared/providers/index.ts'
import { cutAt, cuts, joined, readAll, streamOf, utf8 } from './support/bytes.ts'

const FORMAT_NAMES = Object.keys(FORMATS) as DatasetFormat[]

const example = (text: string, more: object = {}) =>
  JSON.stringify({
    messages: [
      { role: 'user', content: text },
      { role: 'assistant', content: 'né 🚲' },
    ],
    ...more,
  })

/** Blank lines, either line end, characters of every length, what cannot be carried over, an end without a line end. */
const SOURCE = utf8(
  `\uFEFF${example('a')}\r\n\n${example('ß — 日本語', { parallel_tool_calls: true })}\n   \n${example('b'.repeat(90))}\r\n${example('', { functions: [] })}`,
)

interface Whole {
  parts: Uint8Array[]
  starts: PartStart[]
  examples: number
  lost: string[]
}

const cutAll = async (
  format: DatasetFormat,
  partBytes: number,
  open: (from: number) => ReadableStream<Uint8Array>,
  start = FIRST_PART,
  most = Number.POSITIVE_INFINITY,
): Promise<Whole> => {
  const whole: Whole = { parts: [], starts: [start], examples: 0, lost: [] }
  for await (const cut of cutParts(
    plainChunks(open(start.source)),
    FORMATS[format],
    start,
    new Uint8Array(partBytes),
  )) {
    if (cut.bytes.length > 0) whole.parts.push(cut.bytes.slice())
    whole.starts.push(cut.next)
    whole.examples += cut.examples
    whole.lost.push(...cut.losses.map(({ line, path }) => `${line} ${path}`))
    if (whole.parts.length === most) break
  }
  return whole
}

describe('the parts of a dataset', () => {
  it('are the conversion of the whole, however the source comes and whoever makes which of them', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...FORMAT_NAMES),
        fc.integer({ min: 1, max: 700 }),
        cuts(SOURCE.length),
        fc.array(cuts(SOURCE.length), { minLength: 1, maxLength: 3 }),
        fc.integer({ min: 1, max: 5 }),
        async (format, partBytes, offsets, others, share) => {
          const expected = await readAll(streamOf([SOURCE]).pipeThrough(convert(FORMATS[format])))
          const known = await survey(streamOf([SOURCE]), FORMATS[format])
          const whole = await cutAll(format, partBytes, () => streamOf(cutAt(SOURCE, offsets)))
          expect(joined(whole.parts)).toEqual(expected)
          expect(whole.parts.slice(0, -1).every(({ length }) => length === partBytes)).toBe(true)
          expect(whole.examples).toBe(known.examples)
          expect(whole.lost).toEqual(known.losses.map(({ line, path }) => `${line} ${path}`))

          // Others go on, a few parts each, with the source cut in yet other places.
          let turn = 0
          const open = (from: number) =>
            streamOf(cutAt(SOURCE.subarray(from), others[turn++ % others.length] ?? []))
          const byOthers: Whole = { parts: [], starts: [FIRST_PART], examples: 0, lost: [] }
          for (;;) {
            const next = await cutAll(format, partBytes, open, byOthers.starts.at(-1), share)
            byOthers.parts.push(...next.parts)
            byOthers.starts.push(...next.starts.slice(1))
            byOthers.examples += next.examples
            byOthers.lost.push(...next.lost)
            if (next.parts.length === 0) break
          }
          expect(joined(byOthers.parts)).toEqual(expected)
          expect(byOthers.examples).toBe(known.examples)
          expect(byOthers.lost).toEqual(whole.lost)
          // Each part alone, from where the first reading said it begins.
          for (const [index, part] of whole.parts.entries()) {
            const alone = await cutAll(format, partBytes, open, whole.starts[index], 1)
            expect(alone.parts[0]).toEqual(part)
          }
        },
      ),
      { numRuns: 300 },
    )
  })

  it.each([
    ['no JSON', 'gemini', `${example('a')}\nnot JSON, and secret`, /line 2 is not JSON/],
    [
      'no UTF-8',
      'openai',
      new Uint8Array([...utf8(`${example('a')}\n\n`), 0xff, 0x0a]),
      /line 3 is not UTF-8/,
    ],
  ] as const)(
    '%s is refused, with its line and nothing of what it says',
    async (_, format, text, expected) => {
      const bytes = typeof text === 'string' ? utf8(text) : text
      const error = await cutAll(format, 1000, () => streamOf([bytes])).catch((thrown: Error) => thrown)
      expect(error).toMatchObject({ code: 'invalid_dataset', message: expect.stringMatching(expected) })
      expect(String(error)).not.toContain('secret')
    },
  )
})
