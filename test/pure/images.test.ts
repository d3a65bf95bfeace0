/** Images of examples: what their first bytes tell, what is wrong with them, and how many tokens they have. */
import * as fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { defineConfig } from '../../shared/config.ts'
import { countingFor } from '../../shared/datasets/counting.ts'
import { inlineOf } from '../../shared/datasets/image.ts'
import { createInspector } from '../../shared/datasets/inspector.ts'
import { LONGEST_LINE } from '../../shared/datasets/lines.ts'
import { type Target, targetOf } from '../../shared/datasets/target.ts'
import {
  guessOf,
  IMAGE_RULES,
  imageRuleOf,
  imageTokens,
  spreadOf,
} from '../../shared/datasets/tokens/images.ts'
import { errorOf } from '../../shared/datasets/tokens/index.ts'
import { cutAt, utf8 } from './support/bytes.ts'
import { dataUrl, gif, jpeg, png, webp } from './support/images.ts'

afterEach(() => vi.restoreAllMocks())

const part = (url: unknown, detail?: string) => ({
  type: 'image_url',
  image_url: { url: url as string, ...(detail && { detail }) },
})
const inline = (type: string, bytes: Uint8Array) => inlineOf(part(dataUrl(type, bytes)))

describe('the first bytes of an image', () => {
  it.each([
    ['PNG in RGB', png(3, 2), 'image/png', 3, 2, 'RGB'],
    ['PNG in RGBA', png(700, 1, 6), 'image/png', 700, 1, 'RGBA'],
    ['PNG in greyscale', png(3, 2, 0), 'image/png', 3, 2, 'greyscale'],
    ['PNG with a palette', png(3, 2, 3), 'image/png', 3, 2, 'palette'],
    ['PNG in greyscale with alpha', png(3, 2, 4), 'image/png', 3, 2, 'greyscale with alpha'],
    ['JPEG', jpeg(640, 480), 'image/jpeg', 640, 480, 'RGB'],
    ['JPEG, progressive', jpeg(640, 480, { frame: 0xc2 }), 'image/jpeg', 640, 480, 'RGB'],
    ['JPEG in greyscale', jpeg(640, 480, { components: 1 }), 'image/jpeg', 640, 480, 'greyscale'],
    ['JPEG for print', jpeg(640, 480, { components: 4 }), 'image/jpeg', 640, 480, 'CMYK'],
    ['JPEG behind a preview', jpeg(65_535, 9, { notes: 300_000 }), 'image/jpeg', 65_535, 9, 'RGB'],
    ['WEBP', webp(640, 480), 'image/webp', 640, 480, 'RGB'],
    ['WEBP, lossless', webp(16_384, 1, 'VP8L'), 'image/webp', 16_384, 1, 'RGB'],
    ['WEBP, extended', webp(70_000, 5, 'VP8X'), 'image/webp', 70_000, 5, 'RGB'],
    ['GIF', gif(7, 9), 'image/gif', 7, 9, undefined],
  ])('tell of a %s what it is', (_, bytes, type, width, height, colours) => {
    // Whatever the data URL says.
    expect(inline('image/x', bytes)).toEqual({
      declared: 'image/x',
      bytes: bytes.length,
      header: { type, size: { width, height }, colours },
    })
  })

  it('tell the type, and not the size, where too much stands before it', () => {
    const bytes = jpeg(640, 480, { notes: 600_000 })
    expect(inline('image/jpeg', bytes)).toEqual({
      declared: 'image/jpeg',
      bytes: bytes.length,
      header: { type: 'image/jpeg', size: undefined, colours: undefined },
    })
  })

  it.each([
    ['no image', utf8('<svg xmlns="http://www.w3.org/2000/svg"/>')],
    ['a signature alone', png(3, 2).subarray(0, 8)],
    ['a PNG without pixels', png(0, 2)],
    ['a JPEG that breaks off', jpeg(640, 480).subarray(0, 60)],
    ['a JPEG that is only notes', jpeg(1, 1, { notes: 30_000 }).subarray(0, 29_000)],
  ])('say of %s that it is none', (_, bytes) => {
    expect(inline('image/png', bytes)).toEqual({
      declared: 'image/png',
      bytes: bytes.length,
      header: undefined,
    })
  })

  it('are all that is decoded', () => {
    const decode = vi.spyOn(globalThis, 'atob')
    const decoded = () => decode.mock.calls.reduce((sum, [text]) => sum + text.length, 0)
    const behind = new Uint8Array(5_000_000)
    for (const bytes of [png(9, 9), jpeg(9, 9), webp(9, 9), gif(9, 9), utf8('none')]) {
      decode.mockClear()
      const whole = new Uint8Array([...bytes, ...behind])
      expect(inline('image/png', whole)?.bytes).toBe(whole.length)
      expect(decoded()).toBeLessThanOrEqual(1024)
    }
    decode.mockClear()
    inline('image/jpeg', new Uint8Array([...jpeg(9, 9, { notes: 600_000 }), ...behind]))
    expect(decoded()).toBeLessThan(600_000)
  })

  it('are found for any size, and any bytes have an answer', () => {
    const side = fc.integer({ min: 1, max: 16_383 })
    fc.assert(
      fc.property(side, side, fc.nat(40_000), (width, height, notes) => {
        for (const bytes of [
          jpeg(width, height, { notes }),
          webp(width, height),
          webp(width, height, 'VP8L'),
        ])
          expect(inline('image/png', bytes)?.header?.size).toEqual({ width, height })
      }),
      { numRuns: 300 },
    )
    const begun = fc.constantFrom(png(3, 2), jpeg(3, 2, { notes: 20 }), webp(3, 2), gif(3, 2))
    const spoilt = fc
      .tuple(begun, fc.nat(120), fc.uint8Array({ maxLength: 40 }), fc.nat(120))
      .map(([bytes, at, noise, length]) =>
        new Uint8Array([...bytes.subarray(0, at), ...noise, ...bytes.subarray(at)]).subarray(0, length),
      )
    fc.assert(
      fc.property(fc.oneof(spoilt, fc.uint8Array({ maxLength: 200 })), bytes => {
        const found = inline('image/png', bytes)
        expect(found?.bytes).toBe(bytes.length)
        const { width = 1, height = 1 } = found?.header?.size ?? {}
        expect(Math.min(width, height)).toBeGreaterThan(0)
      }),
      { numRuns: 3000 },
    )
  })
})

const context = { config: defineConfig() }
const target = (provider: string, model: string, method?: Target['method']) =>
  targetOf(context, { provider, model, method })
const OPENAI = target('openai', 'gpt-4o')
const AZURE = target('azure', 'gpt-4.1-2025-04-14')
const COMPATIBLE = target('openai_compatible', 'llava')
const GEMINI = target('vertex_ai', 'gemini-3.5-flash')

const chat = (...content: unknown[]) => ({
  messages: [
    { role: 'user', content },
    { role: 'assistant', content: 'a' },
  ],
})
const inspect = async (examples: unknown[], whom?: Target, isCounted = false) => {
  const counting = isCounted && whom ? await countingFor(whom) : undefined
  const inspector = createInspector({ ...(whom && { target: whom }), counting })
  inspector.write(utf8(`${examples.map(each => JSON.stringify(each)).join('\n')}\n`))
  return inspector.end()
}
const told = async (example: unknown, whom?: Target) => {
  const { problems } = await inspect([example], whom)
  return problems.filter(({ line }) => line === 1).map(({ severity, code, path }) => [severity, code, path])
}

const GOOD = dataUrl('image/png', png(3, 2))
const at = (code: string, severity = 'error', place = 'messages[0].content[0]') => [severity, code, place]
const CASES: [string, unknown, Target | undefined, string[][]][] = [
  ['a PNG', chat(part(GOOD)), OPENAI, []],
  ['a JPEG in low detail', chat(part(dataUrl('image/jpeg', jpeg(9, 9)), 'low')), OPENAI, []],
  ['a WEBP at Azure', chat(part(dataUrl('image/webp', webp(9, 9)))), AZURE, []],
  ['a PNG, whoever trains on it', chat(part(GOOD)), undefined, []],
  ['a GIF', chat(part(dataUrl('image/gif', gif(9, 9)))), OPENAI, [at('image_type')]],
  [
    'a GIF that says it is a PNG',
    chat(part(dataUrl('image/png', gif(9, 9)))),
    OPENAI,
    [at('image_type'), at('image_type_differs', 'warning')],
  ],
  ['a bitmap', chat(part(dataUrl('image/bmp', utf8('BM')))), AZURE, [at('image_type')]],
  [
    'a JPEG that says it is a PNG',
    chat(part(dataUrl('image/png', jpeg(9, 9)))),
    OPENAI,
    [at('image_type_differs', 'warning')],
  ],
  [
    'the same by a type there is not',
    chat(part(dataUrl('image/jpg', jpeg(9, 9)))),
    AZURE,
    [at('image_type_differs', 'warning')],
  ],
  [
    'the same at a server that speaks as OpenAI does',
    chat(part(dataUrl('image/png', jpeg(9, 9)))),
    COMPATIBLE,
    [at('image_type_differs', 'warning')],
  ],
  ['base64 without its padding', chat(part('data:image/png;base64,AAA')), OPENAI, [at('image_data')]],
  ['base64 with a line end', chat(part(GOOD.replace('iVBO', 'iVBO\n'))), OPENAI, [at('image_data')]],
  ['base64 of the other alphabet', chat(part('data:image/png;base64,__--')), AZURE, [at('image_data')]],
  [
    'base64 that ends behind its padding',
    chat(part('data:image/png;base64,AA=A')),
    OPENAI,
    [at('image_data')],
  ],
  ['padding alone', chat(part('data:image/png;base64,====')), OPENAI, [at('image_data')]],
  [
    'base64 with padding within',
    chat(part('data:image/png;base64,AA==AAA=')),
    COMPATIBLE,
    [at('image_data')],
  ],
  [
    'broken base64, whoever trains on it',
    chat(part('data:image/png;base64,A')),
    undefined,
    [at('image_data', 'warning')],
  ],
  ['no bytes', chat(part('data:image/png;base64,')), OPENAI, [at('image_data')]],
  ['bytes that are no image', chat(part(dataUrl('image/png', utf8('hello')))), OPENAI, [at('image_data')]],
  ['a palette', chat(part(dataUrl('image/png', png(3, 2, 3)))), OPENAI, [at('image_colours')]],
  [
    'greyscale',
    chat(part(dataUrl('image/jpeg', jpeg(9, 9, { components: 1 })))),
    AZURE,
    [at('image_colours')],
  ],
  [
    'greyscale, whoever trains on it',
    chat(part(dataUrl('image/png', png(3, 2, 0)))),
    undefined,
    [at('image_colours', 'warning')],
  ],
  ['greyscale elsewhere', chat(part(dataUrl('image/png', png(3, 2, 0)))), COMPATIBLE, []],
  [
    'an image for a model that is trained on texts',
    chat(part(GOOD)),
    target('openai', 'gpt-4.1-mini'),
    [at('image_model', 'warning', 'messages')],
  ],
  [
    'an image for GPT-4.1 at OpenAI',
    chat(part(GOOD)),
    target('openai', 'gpt-4.1'),
    [at('image_model', 'warning', 'messages')],
  ],
  ['an image for a tune', chat(part(GOOD)), target('openai', 'ft:gpt-4o-2024-08-06:org::abc'), []],
  [
    'an image for reinforcement',
    { messages: [{ role: 'user', content: [part(GOOD)] }] },
    target('openai', 'o4-mini', 'reinforcement'),
    [],
  ],
  [
    'a text for a model that is trained on texts',
    chat({ type: 'text', text: 'q' }),
    target('openai', 'gpt-4.1-mini'),
    [],
  ],
  [
    'a preference about an image',
    {
      input: { messages: [{ role: 'user', content: [part(GOOD)] }] },
      preferred_output: [{ role: 'assistant', content: 'a' }],
      non_preferred_output: [{ role: 'assistant', content: 'b' }],
    },
    OPENAI,
    [at('preference_form', 'error', 'input.messages[0].content[0]')],
  ],
  [
    'a preference for an image',
    {
      input: { messages: [{ role: 'user', content: 'q' }] },
      preferred_output: [{ role: 'assistant', content: [part(GOOD)] }],
      non_preferred_output: [{ role: 'assistant', content: 'b' }],
    },
    AZURE,
    [at('image_role', 'error', 'preferred_output[0].content[0]')],
  ],
  [
    'an image by value for Gemini',
    chat(part('data:image/png;base64,A')),
    GEMINI,
    [at('not_carried_over'), at('first_not_user', 'error', 'messages')],
  ],
]

describe('an image', () => {
  it.each(CASES)('%s', async (_, example, whom, expected) => {
    expect(await told(example, whom)).toEqual(expected)
  })

  it('has as many bytes as the provider takes', async () => {
    const bytes = png(3, 2)
    const limited = (imageBytes: number) => ({ ...OPENAI, limits: { ...OPENAI.limits, imageBytes } })
    const example = chat(part(dataUrl('image/png', bytes)))
    expect(await told(example, limited(bytes.length))).toEqual([])
    expect(await told(example, limited(bytes.length - 1))).toEqual([at('image_too_large')])
    // A line is too long before an image by value in it is too large.
    for (const whom of [OPENAI, AZURE]) expect(whom.limits.imageBytes).toBeGreaterThan((LONGEST_LINE * 3) / 4)
  })

  it('is never repeated', async () => {
    for (const [, example, whom] of CASES) {
      const { problems } = await inspect([example], whom)
      for (const { message } of problems) {
        expect(message.length).toBeLessThanOrEqual(120)
        expect(message).not.toMatch(/base64,|iVBO|x\.test/)
      }
    }
  })

  it('fills a line up to its end, and is the same however its bytes arrive', async () => {
    const around = JSON.stringify(chat(part('data:image/png;base64,'))).length
    const padded = (length: number) => {
      const [start] = [png(3, 2)]
      const bytes = new Uint8Array((length / 4) * 3)
      bytes.set(start)
      return chat(part(dataUrl('image/png', bytes)))
    }
    const most = LONGEST_LINE - around - ((LONGEST_LINE - around) % 4)
    const codes = async (example: unknown) => (await inspect([example], OPENAI)).problem_counts
    expect(await codes(padded(most))).toEqual({ too_few_examples: 1 })
    expect(await codes(padded(most + 4))).toMatchObject({ line_too_long: 1 })

    const text = utf8(
      `${JSON.stringify(padded(400_000))}\n${JSON.stringify(chat(part('data:image/png;base64,A')))}\n`,
    )
    const reportOf = (chunks: Uint8Array[]) => {
      const inspector = createInspector({ target: OPENAI })
      for (const chunk of chunks) inspector.write(chunk)
      return inspector.end()
    }
    const whole = reportOf([text])
    expect(whole.problem_counts).toEqual({ image_data: 1, too_few_examples: 1 })
    fc.assert(
      fc.property(fc.array(fc.nat(text.length), { maxLength: 9 }), offsets => {
        expect(reportOf(cutAt(text, offsets))).toEqual(whole)
      }),
      { numRuns: 20 },
    )
  })
})

const sized = (width: number, height: number) => part(dataUrl('image/webp', webp(width, height, 'VP8X')))

describe('the tokens of an image', () => {
  // The examples of OpenAI's guide, and its rule by hand.
  it.each([
    ['gpt-4o-2024-08-06', 1024, 1024, undefined, 765],
    ['gpt-4o-2024-08-06', 2048, 4096, 'high', 1105],
    ['gpt-4o-2024-08-06', 4096, 8192, 'low', 85],
    ['gpt-4.1-2025-04-14', 512, 512, 'auto', 255],
    ['gpt-4.1-2025-04-14', 513, 512, 'high', 425],
    ['gpt-4.1-2025-04-14', 1, 1, 'high', 255],
    ['gpt-4.1-2025-04-14', 100_000, 1, 'high', 765],
    // Whole pixels: 2048 × 512.4.
    ['gpt-4.1-2025-04-14', 5000, 1251, 'high', 765],
    ['gpt-4o-mini-2024-07-18', 1024, 1024, 'high', 2833 + 4 * 5667],
    ['gpt-4o-mini-2024-07-18', 1024, 1024, 'low', 2833],
    ['gpt-5', 1024, 1024, 'high', 70 + 4 * 140],
    // 1,024 patches × 1.62; low detail makes no difference.
    ['gpt-4.1-mini-2025-04-14', 1024, 1024, 'high', 1659],
    ['gpt-4.1-mini-2025-04-14', 1024, 1024, 'low', 1659],
    ['gpt-4.1-mini-2025-04-14', 4096, 4096, 'high', Math.ceil(64 * 64 * 1.62)],
    ['gpt-4.1-mini-2025-04-14', 1, 1, 'high', 2],
    ['gpt-4.1-mini-2025-04-14', 100_000, 1, 'high', Math.ceil(64 * 1.62)],
    // Shrunk to 33 × 44 patches.
    ['gpt-4.1-nano-2025-04-14', 1800, 2400, 'high', Math.ceil(1452 * 2.46)],
    ['o4-mini-2025-04-16', 1800, 2400, 'high', Math.ceil(1452 * 1.72)],
  ])('with %s, of %i × %i in detail %s', (model, width, height, detail, tokens) => {
    for (const [a, b] of [
      [width, height],
      [height, width],
    ] as const) {
      const image = part(dataUrl('image/webp', webp(a, b, 'VP8X')), detail)
      expect(imageTokens(imageRuleOf(model), image)).toEqual({ tokens, isGuess: false })
    }
  })

  it.each([
    ['gpt-4o-2024-08-06', 255, 1445],
    ['gpt-4.1-mini-2025-04-14', 2, 6636],
    ['gemini-3.5-flash', 256, 1120],
    ['amazon.nova-lite-v1:0', 800, 2600],
    ['meta.llama3-2-11b-instruct-v1:0', 85, 1445],
  ])('with %s are the middle of what they may be, where its size is not known', (model, least, most) => {
    const rule = imageRuleOf(model)
    const image = part('https://x.test/a.png')
    expect(imageTokens(rule, image)).toEqual({ tokens: Math.round((least + most) / 2), isGuess: true })
    expect(guessOf(rule) + spreadOf(rule)).toBe(most)
    expect(guessOf(rule) - spreadOf(rule)).toBeLessThanOrEqual(least + 1)
    // Nothing but that is known of these, either.
    expect(imageTokens(rule, part('data:image/png;base64,A'))).toEqual(imageTokens(rule, image))
  })

  it('are never beyond what the rule says, and every rule has a source', () => {
    const side = fc.oneof(fc.integer({ min: 1, max: 100_000 }), fc.integer({ min: 1, max: 3000 }))
    fc.assert(
      fc.property(side, side, fc.constantFrom(...IMAGE_RULES), (width, height, { rule, source }) => {
        expect(source).toMatch(/^https:/)
        const tokens = rule.bySize?.({ width, height }) ?? rule.least
        expect(tokens).toBeGreaterThanOrEqual(rule.least)
        expect(tokens).toBeLessThanOrEqual(rule.most)
      }),
      { numRuns: 5000 },
    )
  })
})

describe('the tokens of an example with images', () => {
  const summaryOf = async (examples: unknown[], whom: Target) =>
    (await inspect(examples, whom, true)).summary.tokens
  const about = { type: 'text', text: 'What is this?' }
  /** What chats have but for their images. */
  const bare = async (whom: Target) => (await summaryOf([chat(about)], whom))?.total ?? 0

  it('are exact where all sizes are known', async () => {
    const tokens = await summaryOf([chat(about, sized(1024, 1024), sized(10, 10))], OPENAI)
    expect(tokens).toMatchObject({ total: (await bare(OPENAI)) + 765 + 255, exact: true, error: 0 })
  })

  it('do not grow with the bytes of an image', async () => {
    const small = webp(1024, 1024)
    const large = new Uint8Array(3_000_000)
    large.set(small)
    for (const whom of [OPENAI, target('openai', 'gpt-4.1-mini'), GEMINI]) {
      const [a, b] = await Promise.all(
        [small, large].map(bytes => summaryOf([chat(about, part(dataUrl('image/webp', bytes)))], whom)),
      )
      expect(a).toEqual(b)
    }
  })

  it('are about so where one is at an address, and say how far off', async () => {
    const tokens = await summaryOf(
      [chat(about, part('https://x.test/a.png')), chat(about, sized(10, 10))],
      OPENAI,
    )
    const total = 2 * (await bare(OPENAI)) + 850 + 255
    expect(tokens).toMatchObject({ total, exact: false, error: 595 / total })
  })

  it('are exact in low detail, wherever the image is', async () => {
    const tokens = await summaryOf([chat(about, part('https://x.test/a.png', 'low'))], OPENAI)
    expect(tokens).toMatchObject({ total: (await bare(OPENAI)) + 85, exact: true, error: 0 })
  })

  it('have the errors of texts and of images added up', async () => {
    const whom = target('vertex_ai', 'gemini-3.5-flash')
    const tokens = await summaryOf([chat(about, part('https://x.test/a.png'))], whom)
    const total = (await bare(whom)) + 688
    expect(tokens).toMatchObject({ total, exact: false, error: 0.25 + 432 / total })
    const counting = await countingFor(whom)
    expect(counting && errorOf(counting.counter, { tokens: total, guessed: 1 })).toBe(tokens?.error)
  })

  it('are beyond the window for certain only where they would be even at the least', async () => {
    const whom = (most: number): Target => ({
      ...OPENAI,
      limits: { ...OPENAI.limits, tokens: { most, isCut: false } },
    })
    const severities = async (example: unknown, most: number) =>
      (await inspect([example], whom(most), true)).problems
        .filter(({ code }) => code === 'too_many_tokens')
        .map(({ severity, message }) => [severity, message.includes('about')])
    const total = await bare(OPENAI)
    expect(await severities(chat(about, sized(1024, 1024)), total + 765)).toEqual([])
    expect(await severities(chat(about, sized(1024, 1024)), total + 764)).toEqual([['error', false]])
    const guessed = chat(about, part('https://x.test/a.png'))
    expect(await severities(guessed, total + 850)).toEqual([])
    expect(await severities(guessed, total + 849)).toEqual([['warning', true]])
    expect(await severities(guessed, total + 254)).toEqual([['error', true]])
  })
})
