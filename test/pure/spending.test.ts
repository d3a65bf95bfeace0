/** Prices, money, epochs, and what follows from them. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { defineConfig, type PriceRow } from '../../shared/config.ts'
import { baseModelOf, PROVIDERS } from '../../shared/providers/index.ts'
import { chargeFor } from '../../shared/spending/charges.ts'
import { type EstimateInput, estimateTraining, hostingPrice } from '../../shared/spending/estimate.ts'
import { costOf } from '../../shared/spending/money.ts'
import { findPrice, PRICES } from '../../shared/spending/prices.ts'

const MILLION = 1_000_000

describe('money', () => {
  it.each([
    [1_000_000, 25, 25],
    [1, 25, 0.000025],
    [0, 25, 0],
    [123_456, 3, 0.370368],
    // 0.67 × 3 / 10⁶ = 0.00000201
    [3, 0.67, 0.000002],
    // Half a millionth is rounded up, less is not.
    [1, 0.5, 0.000001],
    [1, 0.49, 0],
    [10_000_000_000, 25, 250_000],
    // 0.1 + 0.2 has no place in here.
    [3_000_000, 0.1, 0.3],
  ])('%i tokens at $%s a million are $%s', (tokens, usd, cost) => {
    expect(costOf(tokens, { usd, per: MILLION })).toBe(cost)
  })

  it('is exact to the millionth, rounded once', () => {
    const units = fc.integer({ min: 0, max: 10 ** 12 })
    const cents = fc.integer({ min: 0, max: 100_000 })
    fc.assert(
      fc.property(units, cents, (tokens, price) => {
        const micros = BigInt(Math.round(costOf(tokens, { usd: price / 100, per: MILLION }) * MILLION))
        const exactTimes100 = BigInt(tokens) * BigInt(price)
        const off = micros * 100n - exactTimes100
        expect(off >= -49n && off <= 50n).toBe(true)
      }),
    )
  })
})

describe('a charge', () => {
  const estimate = estimateTraining([], {
    ...{ provider: 'openai', connection: 'openai', model: 'gpt-4.1-mini', region: undefined },
    ...{ method: 'supervised', epochs: 1 },
    dataset: { tokens: 1000, counter: 'x', exact: true, error: 0, framing: 0 },
    rule: { low: 1, expected: 1, high: 1, rule: 'r', source: 's' },
  })
  const chargeAt = (trainedTokens: number | null) =>
    chargeFor({ provider: 'openai', status: 'succeeded', trainedTokens, estimate })

  it.each([-1_000_000, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60])(
    'for %d tokens is not known, whatever the provider says',
    tokens => {
      expect(chargeAt(1000)).toMatchObject({ usd: 0.005 })
      expect(chargeAt(tokens)).toEqual({ usd: null, missing: expect.stringContaining('openai') })
    },
  )
})

describe('the base model of a name', () => {
  it.each([
    ['openai', 'gpt-4.1-mini', 'gpt-4.1-mini-2025-04-14'],
    ['openai', 'ft:gpt-4.1-mini-2025-04-14:org:suffix:AbCd1234', 'gpt-4.1-mini-2025-04-14'],
    ['openai', 'ft:gpt-4o-mini-2024-07-18:org::AbCd1234', 'gpt-4o-mini-2024-07-18'],
    ['openai', 'ft:gpt-4o-2024-08-06:org:x:AbCd1234:ckpt-step-90', 'gpt-4o-2024-08-06'],
    ['openai', 'ft:gpt-4o-2024-08-06:org::AbCd1234:ckpt-step-90', 'gpt-4o-2024-08-06'],
    ['openai', 'ft:gpt-4.1', 'gpt-4.1-2025-04-14'],
    ['azure', 'gpt-4o-2024-08-06.ft-0123456789abcdef-mine', 'gpt-4o-2024-08-06'],
    ['azure', 'ft:gpt-4.1-2025-04-14:azure:x:AbCd1234', 'gpt-4.1-2025-04-14'],
    ['vertex_ai', 'publishers/google/models/gemini-3.5-flash', 'gemini-3.5-flash'],
    ['bedrock', 'amazon.nova-lite-v1:0:300k', 'amazon.nova-lite-v1:0'],
    ['bedrock', 'us.amazon.nova-lite-v1:0', 'amazon.nova-lite-v1:0'],
    ['bedrock', 'ft:amazon.nova-lite-v1:0:300k:bedrock::AbCd1234', 'amazon.nova-lite-v1:0'],
    [
      'bedrock',
      'arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0:300k',
      'amazon.nova-lite-v1:0',
    ],
    ['openai', 'constructor', 'constructor'],
    ['no-such-provider', 'gpt-4.1-mini', 'gpt-4.1-mini'],
  ])('at %s, of %s: %s', (provider, name, base) => {
    expect(baseModelOf(provider, name)).toBe(base)
  })
})

describe('prices', () => {
  const find = (provider: string, model: string, unit: PriceRow['unit'] = 'training_token') =>
    findPrice([], { provider, connection: provider, model, unit })?.usd ?? null

  it.each([
    ['openai', 'gpt-4.1-2025-04-14', 25],
    ['openai', 'gpt-4.1', 25],
    ['openai', 'gpt-4.1-mini', 5],
    ['openai', 'gpt-4o-2024-08-06', 25],
    ['openai', 'gpt-4o-mini', 3],
    ['azure', 'gpt-4.1-mini-2025-04-14', 5],
    ['azure', 'gpt-4.1-mini-2025-04-14.ft-0123456789abcdef', 5],
    ['vertex_ai', 'gemini-2.5-flash', 5],
    // Nobody has said.
    ['vertex_ai', 'gemini-3.5-flash', null],
    ['bedrock', 'amazon.nova-lite-v1:0', null],
    ['openai_compatible', 'gpt-4.1', null],
    ['openai', 'gpt-4.1-micro', null],
    ['openai', 'constructor', null],
  ])('%s, %s: %s a million training tokens', (provider, model, usd) => {
    expect(find(provider, model)).toBe(usd)
  })

  it.each([
    ['an empty suffix', 'ft:gpt-4o-mini-2024-07-18:org::AbCd1234'],
    ['a checkpoint', 'ft:gpt-4o-mini-2024-07-18:org:suffix:AbCd1234:ckpt-step-12'],
    ['both', 'ft:gpt-4o-mini-2024-07-18:org::AbCd1234:ckpt-step-12'],
  ])('LiteLLM 6: a tune with %s has the price of its base', (_what, name) => {
    expect(find('openai', name)).toBe(3)
    expect(find('openai', name, 'tuned_output_token')).toBe(1.2)
  })

  it('a row of the deployment goes first, for an account before a provider', () => {
    const row = (provider: string, usd: number, more: Partial<PriceRow> = {}): PriceRow => ({
      provider,
      model: 'gpt-4.1-mini',
      unit: 'training_token',
      usd,
      per: MILLION,
      source: 'contract',
      as_of: '2026-11-25',
      ...more,
    })
    const own = [row('azure-sweden', 4), row('azure', 6, { region: 'eu' }), row('azure', 7)]
    const at = (connection: string, region?: string) =>
      findPrice(own, {
        provider: 'azure',
        connection,
        model: 'gpt-4.1-mini-2025-04-14',
        unit: 'training_token',
        region,
      })?.usd
    expect(at('azure-sweden')).toBe(4)
    expect(at('azure', 'eu')).toBe(6)
    expect(at('azure')).toBe(7)
    expect(
      findPrice([row('bedrock', 8, { model: '*' })], {
        provider: 'bedrock',
        connection: 'bedrock',
        model: 'amazon.nova-lite-v1:0',
        unit: 'training_token',
      })?.usd,
    ).toBe(8)
  })

  it('each have a source, a date and a known provider, and none stands twice', () => {
    const keys = PRICES.map(
      ({ provider, model, unit }) => `${provider} ${baseModelOf(provider, model)} ${unit}`,
    )
    expect(new Set(keys).size).toBe(keys.length)
    for (const { provider, source, as_of } of PRICES) {
      expect(Object.keys(PROVIDERS)).toContain(provider)
      expect(source).toMatch(/^https:/)
      expect(as_of).toMatch(/^\d{4}-\d{2}(-\d{2})?$/)
    }
  })

  it('that cannot be reckoned with are refused where they are configured', () => {
    const good: PriceRow = {
      provider: 'azure',
      model: '*',
      unit: 'hosting_hour',
      usd: 1.7,
      per: 1,
      source: 's',
      as_of: '2026-11',
    }
    expect(() => defineConfig({ prices: [good] })).not.toThrow()
    for (const bad of [{ usd: -1 }, { usd: Number.NaN }, { usd: 0.0000005 }, { per: 0 }, { per: 1.5 }])
      expect(() => defineConfig({ prices: [good, { ...good, ...bad }] })).toThrow('prices[1]')
  })
})

describe('epochs a provider chooses', () => {
  const of = (provider: string, model: string, examples: number) => {
    const { low, expected, high } = PROVIDERS[provider]?.defaultEpochs(model, 'supervised', examples) ?? {}
    return [low, expected, high]
  }
  // OpenAI's cookbook, Chat_finetuning_data_prep.ipynb.
  it.each([
    [10, 10],
    [4, 25],
    [1, 25],
    [33, 3],
    [34, 3],
    [1000, 3],
    [8333, 3],
    [8334, 2],
    [12_501, 1],
    [25_001, 1],
    [1_000_000, 1],
  ])('at OpenAI and Azure: for %i examples %i', (examples, epochs) => {
    for (const provider of ['openai', 'azure'])
      expect(of(provider, 'gpt-4.1', examples)).toEqual([epochs, epochs, epochs])
  })

  it.each([
    ['amazon.nova-lite-v1:0', [2, 2, 2]],
    ['anthropic.claude-3-haiku-20240307-v1:0', [2, 2, 2]],
    ['meta.llama3-1-8b-instruct-v1:0', [5, 5, 5]],
    ['amazon.titan-text-lite-v1', [5, 5, 5]],
    ['someone.new-model', [2, 2, 5]],
  ])('at Bedrock: for %s %j', (model, epochs) => {
    expect(of('bedrock', model, 500)).toEqual(epochs)
  })

  it('at Vertex AI a range, for it is not published', () => {
    expect(of('vertex_ai', 'gemini-3.5-flash', 500)).toEqual([1, 3, 10])
  })
})

describe('an estimate', () => {
  const input = (parts: Partial<EstimateInput> = {}): EstimateInput => ({
    provider: 'openai',
    connection: 'openai',
    model: 'gpt-4.1-mini',
    method: 'supervised',
    dataset: { tokens: 100_000, counter: 'o200k_base', exact: true, error: 0, framing: 3000 },
    epochs: 'auto',
    rule: { low: 3, expected: 3, high: 3, rule: 'three', source: 'https://x.test' },
    ...parts,
  })

  it('is tokens times epochs times price, less what may not be there in the low figure', () => {
    expect(estimateTraining([], input())).toEqual({
      tokens: {
        dataset: 100_000,
        counter: 'o200k_base',
        exact: true,
        error: 0,
        trained: { low: 291_000, expected: 300_000, high: 300_000 },
      },
      epochs: { value: 3, low: 3, high: 3, source: 'provider_default', rule: 'three (https://x.test)' },
      price: {
        usd: 5,
        per: MILLION,
        unit: 'training_token',
        region: null,
        source: 'https://developers.openai.com/api/docs/pricing',
        as_of: '2026-11-20',
      },
      price_missing: null,
      usd: { low: 1.455, expected: 1.5, high: 1.5 },
    })
  })

  it('is as wide as its count and its epochs are uncertain', () => {
    const dataset = { tokens: 1000, counter: 'x', exact: false, error: 0.2, framing: 0 }
    const rule = { low: 1, expected: 3, high: 10, rule: 'r', source: 's' }
    const { tokens } = estimateTraining([], input({ dataset, rule }))
    expect(tokens.trained).toEqual({ low: 800, expected: 3000, high: 12_000 })
  })

  it('takes the epochs that were asked for', () => {
    const { epochs, tokens } = estimateTraining([], input({ epochs: 7 }))
    expect(epochs).toEqual({ value: 7, low: 7, high: 7, source: 'request', rule: null })
    expect(tokens.trained.expected).toBe(700_000)
  })

  it('is never 0 for want of a price, but null, and says so', () => {
    const estimate = estimateTraining([], input({ provider: 'vertex_ai', model: 'gemini-3.5-flash' }))
    expect(estimate).toMatchObject({ price: null, usd: null })
    expect(estimate.price_missing).toContain('gemini-3.5-flash')
    expect(estimate.tokens.trained.expected).toBe(300_000)
  })

  it('of reinforcement knows the price of an hour, and not how many', () => {
    const estimate = estimateTraining([], input({ model: 'o4-mini', method: 'reinforcement' }))
    expect(estimate).toMatchObject({ price: { usd: 100, unit: 'training_hour' }, usd: null })
    expect(estimate.price_missing).toContain('hour')
  })

  it.each([
    ['openai', 0],
    ['azure', 1.7],
    ['vertex_ai', 0],
    ['bedrock', undefined],
  ])('knows what hosting costs at %s: %s an hour', (provider, usd) => {
    expect(hostingPrice([], { provider, connection: provider, model: 'any' })?.usd_per_hour).toBe(usd)
  })
})
