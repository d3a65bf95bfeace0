import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Config } from '../../shared/config.ts'
import { ApiError, type JobRequest, jobRequest } from '../../shared/openai/index.ts'
import type { Capabilities } from '../../shared/providers/index.ts'
import { PROVIDERS } from '../../shared/providers/index.ts'
import { splitModelName } from '../../shared/serving/index.ts'
import { checkCapabilities, fittingMetadata, methodOf } from '../../shared/training/plan.ts'
import { withoutRouting } from '../../shared/training/records.ts'

describe('the method of a request', () => {
  it.each([
    [{}, { type: 'supervised' }],
    [{ hyperparameters: {} }, { type: 'supervised', supervised: { hyperparameters: {} } }],
    [
      { hyperparameters: { n_epochs: 3 } },
      { type: 'supervised', supervised: { hyperparameters: { n_epochs: 3 } } },
    ],
    [{ method: { type: 'dpo' } }, { type: 'dpo' }],
    [
      { method: { type: 'dpo', dpo: { hyperparameters: { beta: 1 } } } },
      { type: 'dpo', dpo: { hyperparameters: { beta: 1 } } },
    ],
  ] as [Pick<JobRequest, 'method' | 'hyperparameters'>, unknown][])('%j → %j', (request, method) => {
    expect(methodOf(request)).toEqual(method)
  })
})

describe('capabilities', () => {
  const table: Capabilities = {
    source: 'the table',
    asOf: '2026-11-20',
    maxFileBytes: 1,
    maxMetadataPairs: 16,
    models: [
      {
        names: ['big-2025', 'big'],
        methods: ['supervised', 'dpo'],
        trainableUntil: '2027-01-06',
        servedUntil: '2027-01-14',
      },
      { names: ['small'], methods: ['supervised'], trainableUntil: null, servedUntil: null },
      { names: ['thinker'], methods: ['reinforcement'], trainableUntil: '2026-10-23', servedUntil: null },
    ],
  }
  const warnings = (model: string, method: 'supervised' | 'dpo' | 'reinforcement', today = '2026-11-20') =>
    checkCapabilities(table, model, method, today)

  it('say nothing of what is simply possible', () => {
    expect(warnings('small', 'supervised')).toEqual([])
  })

  it('warn of a model they do not know, and let it pass', () => {
    for (const model of ['new-model', 'ft:big:o::1', 'constructor']) {
      expect(warnings(model, 'dpo')).toEqual([expect.stringContaining(`'${model}'`)])
    }
  })

  it('know a model by each of its names', () => {
    expect(warnings('big', 'dpo')).toEqual(
      warnings('big-2025', 'dpo').map(text => text.replaceAll('big-2025', 'big')),
    )
  })

  it.each([
    ['small', 'dpo', /supervised.*'dpo' is taken by: big-2025/],
    ['small', 'reinforcement', /supervised.*'reinforcement' is taken by: thinker/],
    ['thinker', 'supervised', /reinforcement.*'supervised' is taken by: big-2025, small/],
  ] as const)('refuse %s with %s, and say what goes', (model, method, message) => {
    expect(() => warnings(model, method)).toThrow(ApiError)
    expect(() => warnings(model, method)).toThrow(message)
  })

  it('name the field', () => {
    try {
      warnings('small', 'dpo')
      expect.unreachable()
    } catch (error) {
      expect(error).toMatchObject({ status: 400, param: 'method.type', code: 'invalid_value' })
    }
  })

  it.each([
    ['2027-01-05', 1],
    ['2027-01-06', 2],
    ['2027-01-14', 2],
  ])('on %s warn of %i ends', (today, count) => {
    const said = warnings('big', 'supervised', today)
    expect(said).toHaveLength(count)
    expect(said.at(-1)).toContain('2027-01-14')
  })

  it('of every provider are dated, sourced and whole', () => {
    for (const { capabilities } of Object.values(PROVIDERS)) {
      // A provider whose models are not known here is its own source.
      expect(capabilities.source).toMatch(
        capabilities.models.length > 0 ? /^https:\/\// : /^the provider itself$/,
      )
      expect(capabilities.asOf).toMatch(/^\d{4}-\d\d-\d\d$/)
      const names = capabilities.models.flatMap(model => model.names)
      expect(new Set(names).size).toBe(names.length)
      for (const { methods, trainableUntil, servedUntil } of capabilities.models) {
        expect(methods.length).toBeGreaterThan(0)
        for (const date of [trainableUntil, servedUntil])
          expect(date ?? '2000-01-01').toMatch(/^\d{4}-\d\d-\d\d$/)
      }
    }
  })
})

describe('metadata', () => {
  it('is sent as far as there is room beside the label; what stays is named', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.string(), { maxKeys: 16 }),
        fc.integer({ min: 1, max: 17 }),
        (metadata, room) => {
          const { sent, kept } = fittingMetadata(metadata, room)
          expect(Object.keys(sent).length).toBeLessThanOrEqual(room - 1)
          expect([...Object.keys(sent), ...kept].sort()).toEqual(Object.keys(metadata).sort())
          for (const [key, value] of Object.entries(sent)) expect(value).toBe(metadata[key])
          // Nothing stays behind while there is room.
          if (kept.length > 0) expect(Object.keys(sent)).toHaveLength(room - 1)
        },
      ),
    )
  })
})

describe('what is stored of a request', () => {
  it('holds none of the credentials, nor what chose the provider', () => {
    const request = jobRequest.parse({
      model: 'm',
      training_file: 'f',
      suffix: 's',
      provider: 'openai',
      custom_llm_provider: 'openai',
      timeout: 5,
      drop_params: true,
      api_key: 'sk-S3CR3T',
      api_base: 'https://api.example.com',
      api_version: '2026-11-01',
      vertex_project: 'p',
      vertex_location: 'l',
      vertex_credentials: { private_key: 'S3CR3T' },
      aws_access_key_id: 'AKIA-S3CR3T',
      aws_secret_access_key: 'S3CR3T',
      aws_session_token: 'S3CR3T',
      aws_region_name: 'us-east-1',
    })
    expect(withoutRouting(request)).toEqual({ model: 'm', training_file: 'f', suffix: 's' })
    // The request itself stays whole: it is still needed.
    expect(request.api_key).toBe('sk-S3CR3T')
  })
})

describe('the name of a model', () => {
  const config: Pick<Config, 'connections'> = { connections: { eu: { provider: 'openai' } } }
  it.each([
    ['gpt-4.1-mini', undefined, 'gpt-4.1-mini'],
    ['openai/gpt-4.1-mini', 'openai', 'gpt-4.1-mini'],
    ['eu/gpt-4.1-mini', 'eu', 'gpt-4.1-mini'],
    ['eu/ft:gpt-4.1-mini:acme::1', 'eu', 'ft:gpt-4.1-mini:acme::1'],
    ['openai/meta/llama', 'openai', 'meta/llama'],
    ['meta/llama', undefined, 'meta/llama'],
    ['us/gpt', undefined, 'us/gpt'],
    ['ft:gpt-4.1-mini:acme/x::1', undefined, 'ft:gpt-4.1-mini:acme/x::1'],
    ['arn:aws:bedrock:x:y:z/w', undefined, 'arn:aws:bedrock:x:y:z/w'],
    ['constructor/x', undefined, 'constructor/x'],
    ['__proto__/x', undefined, '__proto__/x'],
    ['toString/x', undefined, 'toString/x'],
    ['/gpt', undefined, '/gpt'],
    ['/', undefined, '/'],
    ['', undefined, ''],
    ['EU/gpt', undefined, 'EU/gpt'],
  ])('%j: connection %s, model %j', (model, prefix, name) => {
    expect(splitModelName(config, model)).toEqual({ prefix, name })
  })

  it('loses nothing', () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom('', 'eu/', 'openai/', 'x/'), (rest, start) => {
        const { prefix, name } = splitModelName(config, start + rest)
        expect(prefix === undefined ? name : `${prefix}/${name}`).toBe(start + rest)
      }),
    )
  })
})
