/** Tokens: OpenAI's encodings against numbers OpenAI has published, approximations against other makers' tokenizers. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Example, Message } from '../../shared/datasets/formats/format.ts'
import { countWith } from '../../shared/datasets/tokens/bpe.ts'
import { encodingOf } from '../../shared/datasets/tokens/encodings.ts'
import { exampleTokens, exampleWindow, tokenCounterFor } from '../../shared/datasets/tokens/index.ts'
import { parseRanks } from '../../shared/datasets/tokens/ranks.ts'
import { letters } from './support/counters.ts'

describe('the rank tables', () => {
  // The checksums that OpenAI's tiktoken holds them against (`tiktoken_ext/openai_public.py`).
  it.each([
    ['o200k_base', '446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d'],
    ['cl100k_base', '223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7'],
  ])('%s is OpenAI’s own', (name, checksum) => {
    const path = fileURLToPath(
      new URL(`../../node_modules/gpt-tokenizer/data/${name}.tiktoken`, import.meta.url),
    )
    expect(createHash('sha256').update(readFileSync(path)).digest('hex')).toBe(checksum)
  })

  it('are read byte by byte, with ranks that are not in use left out', () => {
    const table = ['IQ== 0', '77u/ 1', '4oI= 3', '8J+YgA== 7'].join('\n')
    const ranks = [
      ['!', 0],
      ['\xef\xbb\xbf', 1],
      ['\xe2\x82', 3],
      ['\xf0\x9f\x98\x80', 7],
    ]
    expect([...parseRanks(table)]).toEqual(ranks)
    expect([...parseRanks(`${table}\n`)]).toEqual(ranks)
  })

  it('refuse to be empty', () => {
    expect(() => parseRanks('')).toThrow('empty')
  })
})

describe('counting as OpenAI does', () => {
  // How_to_count_tokens_with_tiktoken.ipynb of OpenAI's cookbook.
  it.each([
    ['antidisestablishmentarianism', 6, 6],
    ['2 + 2 = 4', 7, 7],
    ['お誕生日おめでとう', 9, 8],
    ['tiktoken is great!', 6, 6],
  ])('%s', async (text, cl100k, o200k) => {
    expect((await countWith('cl100k_base'))(text)).toBe(cl100k)
    expect((await countWith('o200k_base'))(text)).toBe(o200k)
  })

  // As OpenAI's tiktoken counts them (its WebAssembly build, 1.0.22). Rust's white space has U+0085 and no byte order mark.
  it.each([
    ['a\uFEFFb', 3, 3],
    ['x \uFEFF\uFEFF y', 4, 4],
    ['a\u0085\u0085b', 6, 6],
    ["I'll re-send it: naïve façade №5, ½ price!", 17, 15],
    ['Größe: 42 °C\r\n\r\n\tEnde  ', 11, 11],
    ['नमस्ते दुनिया', 13, 5],
    ['👩‍👩‍👧 and 🇩🇪', 20, 13],
    ['<|endoftext|>', 7, 7],
    ['a <|im_start|>system<|im_sep|> b', 14, 15],
    ['    if (x !== null) {\n        return x?.y ?? 0\n    }', 19, 19],
    ['https://example.test/a/b?c=1&d=%20', 14, 14],
    ['supercalifragilisticexpialidocious', 11, 10],
    ['ЁЖИК и ёжик', 11, 7],
    ['1234567 12 1,000.50', 11, 11],
  ])('%j, as tiktoken does', async (text, cl100k, o200k) => {
    expect((await countWith('cl100k_base'))(text)).toBe(cl100k)
    expect((await countWith('o200k_base'))(text)).toBe(o200k)
  })

  const user = (content: string): Message => ({ role: 'system', name: 'example_user', content })
  const assistant = (content: string): Message => ({ role: 'system', name: 'example_assistant', content })
  /** The conversation of the same page, for which the API itself told its `prompt_tokens`. */
  const messages: Message[] = [
    {
      role: 'system',
      content:
        'You are a helpful, pattern-following assistant that translates corporate jargon into plain English.',
    },
    user('New synergies will help drive top-line growth.'),
    assistant('Things working well together will increase revenue.'),
    user(
      "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage.",
    ),
    assistant("Let's talk later when we're less busy about how to do better."),
    {
      role: 'user',
      content: "This late pivot means we don't have time to boil the ocean for the client deliverable.",
    },
  ]
  it.each([
    ['gpt-3.5-turbo', 129],
    ['gpt-4-0613', 129],
    ['gpt-4o', 124],
    ['gpt-4o-mini', 124],
  ])('the messages of its cookbook, as the API counted them for %s', async (model, tokens) => {
    expect(exampleTokens(await tokenCounterFor('openai', model), { messages }).tokens).toBe(tokens)
  })

  it('takes any string, half a surrogate pair and a byte order mark within', async () => {
    const count = await countWith('o200k_base')
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), text => {
        const tokens = count(text)
        expect(tokens).toBeLessThanOrEqual(new TextEncoder().encode(text).length)
        expect(tokens).toBeGreaterThanOrEqual(text === '' ? 0 : 1)
      }),
    )
    expect(count('\uD800')).toBe(count('\uFFFD'))
  })

  it('adds up where the encoding always splits: digits behind letters', async () => {
    const count = await countWith('o200k_base')
    const letters = fc.stringMatching(/^[a-zA-Zäéшж漢]{1,40}$/)
    const digits = fc.stringMatching(/^\d{1,40}$/)
    fc.assert(
      fc.property(letters, digits, (a, b) => {
        expect(count(a + b)).toBe(count(a) + count(b))
      }),
    )
  })

  it('an unbroken run of a million letters is counted in slices, and not for ever', async () => {
    const count = await countWith('o200k_base')
    // Eight letters a token, whatever the length.
    expect(count('a'.repeat(1_048_576))).toBe(131_072)
    expect(count('😀'.repeat(2000))).toBe(2000 * count('😀'))
  })
})

describe('the counter of a model', () => {
  it.each([
    ['gpt-4o-2024-08-06', 'o200k_base'],
    ['gpt-4.1-mini', 'o200k_base'],
    ['gpt-5', 'o200k_base'],
    ['o4-mini-2025-04-16', 'o200k_base'],
    ['gpt-oss-20b', 'o200k_base'],
    ['openai.gpt-oss-20b', 'o200k_base'],
    ['gpt-4', 'cl100k_base'],
    ['gpt-4-turbo', 'cl100k_base'],
    ['gpt-3.5-turbo-0125', 'cl100k_base'],
    ['gpt-35-turbo-1106', 'cl100k_base'],
    ['babbage-002', 'cl100k_base'],
    ['gemini-2.5-pro', undefined],
    ['Llama-3.3-70B', undefined],
    ['my-gpt-4o', undefined],
  ])('%s: %s', (model, encoding) => {
    expect(encodingOf(model)).toBe(encoding)
  })

  it.each([
    ['openai', 'gpt-4.1-mini', 'o200k_base', 0],
    ['openai', 'ft:gpt-4.1-mini-2025-04-14:org::AbCd1234', 'o200k_base', 0],
    ['openai', 'ft:gpt-3.5-turbo-0125:org:x:AbCd1234:ckpt-step-90', 'cl100k_base', 0],
    ['azure', 'gpt-4o-2024-08-06.ft-0123456789abcdef-mine', 'o200k_base', 0],
    ['azure', 'gpt-oss-20b', 'o200k_base', 0],
    ['azure', 'Llama-3.3-70B', 'approximation:llama', 0.25],
    ['vertex_ai', 'publishers/google/models/gemini-3.5-flash', 'approximation:gemini', 0.25],
    ['bedrock', 'meta.llama3-1-8b-instruct-v1:0:128k', 'approximation:llama', 0.25],
    ['bedrock', 'anthropic.claude-3-haiku-20240307-v1:0', 'approximation:claude', 0.35],
    ['bedrock', 'amazon.nova-lite-v1:0', 'approximation:unknown', 0.4],
    ['openai_compatible', 'some-model', 'approximation:unknown', 0.4],
    ['no-such-provider', 'gpt-4o', 'o200k_base', 0],
  ])('at %s, %s: %s', async (provider, model, name, error) => {
    expect(await tokenCounterFor(provider, model)).toMatchObject({ name, error, exact: error === 0 })
  })
})

describe('an approximation', () => {
  /** Counted with the makers' tokenizers: Gemma's (Gemini), Llama 3.1's, Claude 2's. None of these texts was used to find the weights. */
  const TEXTS: Record<string, [text: string, gemini: number, llama: number, claude: number]> = {
    English: [
      'Our records show that the parcel left the warehouse on Monday morning and was handed to the carrier the same day. Please check the tracking page again tomorrow; if nothing has changed by then, reply to this message and a colleague will look into it.',
      ...([49, 49, 49] as const),
    ],
    German: [
      'Die Lieferung wurde am Montagmorgen an den Paketdienst übergeben und sollte spätestens übermorgen bei Ihnen eintreffen. Falls sich bis dahin nichts getan hat, antworten Sie bitte auf diese Nachricht, damit wir der Sache nachgehen können.',
      ...([46, 63, 70] as const),
    ],
    French: [
      "Votre colis a quitté l'entrepôt lundi matin et a été remis au transporteur le jour même. Vérifiez à nouveau la page de suivi demain ; si rien n'a changé, répondez à ce message et un collègue s'en occupera.",
      ...([55, 65, 70] as const),
    ],
    Russian: [
      'Посылка была передана службе доставки в понедельник утром и должна прибыть не позднее послезавтра. Если к тому времени ничего не изменится, ответьте на это сообщение, и мы разберёмся.',
      ...([46, 52, 87] as const),
    ],
    Japanese: [
      '荷物は月曜日の朝に倉庫を出発し、同じ日に運送会社へ引き渡されました。明日もう一度追跡ページをご確認ください。変化がない場合は、このメッセージに返信していただければ担当者が調査いたします。',
      ...([46, 61, 98] as const),
    ],
    Chinese: [
      '包裹已于星期一上午离开仓库，并在当天交给了快递公司。请您明天再次查看物流页面；如果届时仍然没有变化，请回复此消息，我们的同事会跟进处理。',
      ...([43, 55, 66] as const),
    ],
    Korean: [
      '소포는 월요일 아침에 창고를 떠나 같은 날 택배 회사에 전달되었습니다. 내일 배송 조회 페이지를 다시 확인해 주세요. 변화가 없으면 이 메시지에 답장해 주시면 담당자가 확인하겠습니다.',
      ...([65, 59, 102] as const),
    ],
    Arabic: [
      'غادر الطرد المستودع صباح يوم الاثنين وتم تسليمه إلى شركة الشحن في اليوم نفسه. يرجى التحقق من صفحة التتبع مرة أخرى غدا، وإذا لم يتغير شيء فأجب على هذه الرسالة.',
      ...([51, 56, 146] as const),
    ],
    code: [
      'export const total = (rows: Row[]): number => {\n  let sum = 0\n  for (const { amount, count } of rows) {\n    if (count > 0) sum += amount * count\n  }\n  return Math.round(sum * 100) / 100\n}\n',
      ...([72, 62, 60] as const),
    ],
    JSON: [
      '{"order":{"id":"A-20417","items":[{"sku":"TX-9","count":2,"price":19.95},{"sku":"QR-11","count":1,"price":4.5}],"shipped":true,"address":{"city":"Lyon","zip":"69003"}}}',
      ...([73, 63, 63] as const),
    ],
  }

  it.each(Object.entries(TEXTS))('of %s is within its error', async (_name, [text, ...truths]) => {
    const models = ['gemini-3.5-flash', 'meta.llama3-1-8b', 'anthropic.claude-3-haiku'] as const
    for (const [index, model] of models.entries()) {
      const { count, error } = await tokenCounterFor('', model)
      const truth = truths[index] ?? 0
      expect(Math.abs(count(text) / truth - 1), `${model}: ${count(text)} for ${truth}`).toBeLessThanOrEqual(
        error,
      )
    }
  })

  it('counts no text as none, and any other as one at least', async () => {
    const { count } = await tokenCounterFor('vertex_ai', 'gemini-3.5-flash')
    expect(count('')).toBe(0)
    expect(count(' ')).toBe(1)
    fc.assert(fc.property(fc.string({ unit: 'binary', minLength: 1 }), text => count(text) >= 1))
  })
})

describe('the tokens of an example', () => {
  const of = (example: Example) => exampleTokens(letters, example).tokens
  /** Three for the example, three for a message. */
  const FRAME = 3
  const ask: Message = { role: 'user', content: 'hello' }
  const asked = FRAME + 'user'.length + 'hello'.length

  it.each<[string, Example, number]>([
    ['a message', { messages: [ask] }, FRAME + asked],
    ['messages', { messages: [ask, ask] }, FRAME + 2 * asked],
    ['a name', { messages: [{ ...ask, name: 'bob' }] }, FRAME + asked + 3 + 1],
    ['a refusal', { messages: [{ ...ask, refusal: 'no' }] }, FRAME + asked + 2],
    ['parts', { messages: [{ role: 'user', content: [{ type: 'text', text: 'hello' }] }] }, FRAME + asked],
    [
      'a tool call',
      {
        messages: [
          {
            role: 'assistant',
            content: null,
            tool_calls: [{ id: 'call_1', function: { name: 'find', arguments: '{}' } }],
          },
        ],
      },
      FRAME + FRAME + 9 + FRAME + 4 + 2,
    ],
    ['tools', { messages: [ask], tools: [{ type: 'f' }] }, FRAME + asked + '[{"type":"f"}]'.length],
    [
      'a preference, both answers',
      {
        input: { messages: [ask] },
        preferred_output: [{ role: 'assistant', content: 'yes' }],
        non_preferred_output: [{ role: 'assistant', content: 'never' }],
      },
      FRAME + asked + (FRAME + 9 + 3) + (FRAME + 9 + 5),
    ],
  ])('%s', (_what, example, tokens) => {
    expect(of(example)).toBe(tokens)
  })

  it.each([
    ['openai', 'gpt-4.1-mini', 65_536],
    ['azure', 'gpt-4o-mini-2024-07-18.ft-0123456789abcdef', 65_536],
    ['vertex_ai', 'gemini-3.5-flash', 131_072],
    ['bedrock', 'amazon.nova-lite-v1:0:300k', 32_000],
    ['bedrock', 'meta.llama3-1-70b-instruct-v1:0', 16_000],
    ['openai_compatible', 'gpt-4o', null],
  ])('at %s, %s is trained on up to %s', (provider, model, tokens) => {
    expect(exampleWindow(provider, model)).toBe(tokens)
  })
})
