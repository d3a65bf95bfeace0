/** Tuning jobs by the official client: they really learn. */
import { JobState, type TuningJob, TuningMethod } from '@google/genai'
import { describe, expect, it } from 'vitest'
import { baseModel, Registry } from '../../../sandbox/google/aiplatform/models.ts'
import { newTuningJob } from '../../../sandbox/google/aiplatform/tuning-job.ts'
import { TuningLife } from '../../../sandbox/google/aiplatform/tuning-life.ts'
import { tuningRequest } from '../../../sandbox/google/aiplatform/tuning-schema.ts'
import { Bucket } from '../../../sandbox/google/storage/bucket.ts'
import { Tempo } from '../../../sandbox/tempo.ts'
import { jsonl, type Sample, samples } from '../support.ts'
import {
  accuracyOf,
  ask,
  geminiLine,
  jobEnd,
  jobWhen,
  put,
  refusal,
  SYSTEM,
  servingName,
  text,
  tune,
  tuned,
  useGoogle,
} from './support.ts'

const google = useGoogle()

const JOBS = '/aiplatform/v1beta1/projects/sandbox-project/locations/us-central1/tuningJobs'

describe('a supervised job', () => {
  it('makes a model that answers unseen sentences better than its base', async () => {
    const created = await tune(google, {
      config: { tunedModelDisplayName: 'bank', labels: { tenant: 't1' } },
    })
    expect(created).toMatchObject({
      name: expect.stringMatching(/^projects\/100000000001\/locations\/us-central1\/tuningJobs\/\d{19}$/),
      state: 'JOB_STATE_QUEUED',
      baseModel: 'gemini-3.5-flash',
    })
    const job = await jobEnd(google, created)
    expect(job).toMatchObject({
      state: JobState.JOB_STATE_SUCCEEDED,
      tunedModelDisplayName: 'bank',
      labels: { tenant: 't1' },
      tunedModel: {
        model: expect.stringMatching(/^projects\/100000000001\/locations\/us-central1\/models\/\d{19}@1$/),
        endpoint: expect.stringMatching(
          /^projects\/100000000001\/locations\/us-central1\/endpoints\/\d{19}$/,
        ),
      },
    })
    expect(job.error).toBeUndefined()
    expect(await accuracyOf(google, servingName(job))).toBeGreaterThan(0.9)
    expect(await accuracyOf(google, 'gemini-3.5-flash')).toBe(0)
  })

  it.each(['v1', 'v1beta1'] as const)('speaks %s', async version => {
    const gcsUri = await put(google, samples('train').map(geminiLine))
    const { tunings } = google.ai('us-central1', version)
    const { name = '' } = await tunings.tune({
      baseModel: 'publishers/google/models/gemini-3.1-flash-lite',
      trainingDataset: { gcsUri },
    })
    expect(await tunings.get({ name })).toMatchObject({ name, baseModel: 'gemini-3.1-flash-lite' })
    expect(google.sandbox.requests().at(-1)?.path).toBe(`/google/aiplatform/${version}/${name}`)
  })

  it('counts its data, in strings', async () => {
    const lines = samples('train').map(geminiLine)
    const validation = await put(google, samples('heldOut').map(geminiLine), 'valid.jsonl')
    const job = await tuned(google, {
      config: {
        epochCount: 3,
        learningRateMultiplier: 0.5,
        validationDataset: { gcsUri: validation },
      },
    })
    const { json } = await google.call('GET', `/aiplatform/v1/${job.name}`)
    const steps = String(3 * Math.ceil(lines.length / 4))
    expect(json).toMatchObject({
      supervisedTuningSpec: {
        trainingDatasetUri: 'gs://sandbox-bucket/train.jsonl',
        validationDatasetUri: 'gs://sandbox-bucket/valid.jsonl',
        hyperParameters: {
          epochCount: '3',
          learningRateMultiplier: 0.5,
          adapterSize: 'ADAPTER_SIZE_FOUR',
        },
      },
      tuningJobMetadata: { completedEpochCount: '3', completedStepCount: steps },
      tuningDataStats: {
        supervisedTuningDataStats: {
          tuningDatasetExampleCount: String(lines.length),
          tuningStepCount: steps,
          totalBillableTokenCount: expect.stringMatching(/^\d+$/),
          userMessagePerExampleDistribution: { min: 2, max: 2, mean: 2 },
        },
      },
      createTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      startTime: expect.any(String),
      endTime: expect.any(String),
      updateTime: expect.any(String),
    })
  })

  it('bills tokens times epochs', async () => {
    const billed = async (epochCount: number): Promise<number> => {
      const { name } = await tuned(google, { config: { epochCount } })
      const { json } = await google.call('GET', `/aiplatform/v1/${name}`)
      const { tuningDataStats } = json as {
        tuningDataStats: { supervisedTuningDataStats: { totalBillableTokenCount: string } }
      }
      return Number(tuningDataStats.supervisedTuningDataStats.totalBillableTokenCount)
    }
    expect(await billed(3)).toBe(3 * (await billed(1)))
  })

  it('has a checkpoint for each epoch, each with an endpoint and weights of its own', async () => {
    // What follows from six digits is hard to see in them one by one: great steps swing about before they settle.
    const digits = (number: number): string =>
      [...number.toString(2).padStart(6, '0')].map((bit, at) => `d${at}is${bit}`).join(' ')
    const riddles = Array.from({ length: 64 }, (_, number) => ({
      question: digits(number),
      answer: ((number * 37) % 64) % 3 === 0 ? 'odd' : 'even',
    }))
    const { tunedModel } = await tuned(google, {
      lines: riddles.map(({ question, answer }) => ({
        contents: [text('user', question), text('model', answer)],
      })),
      config: { epochCount: 4, learningRateMultiplier: 5 },
    })
    const checkpoints = tunedModel?.checkpoints ?? []
    expect(checkpoints.map(({ checkpointId, epoch, step }) => [checkpointId, epoch, step])).toEqual([
      ['1', '1', '16'],
      ['2', '2', '32'],
      ['3', '3', '48'],
      ['4', '4', '64'],
    ])
    expect(checkpoints.at(-1)?.endpoint).toBe(tunedModel?.endpoint)
    const right = async (endpoint = ''): Promise<number> => {
      const model = servingName({ tunedModel: { endpoint } })
      const { models } = google.ai('us')
      const answers = await Promise.all(
        riddles.map(
          async ({ question }) => (await models.generateContent({ model, contents: question })).text,
        ),
      )
      return answers.filter((answer, index) => answer === riddles[index]?.answer).length
    }
    expect(await right(checkpoints[0]?.endpoint)).toBeLessThan((await right(checkpoints[3]?.endpoint)) - 5)
  })

  it('keeps the last checkpoint alone if asked to', async () => {
    const { tunedModel } = await tuned(google, { config: { epochCount: 3, exportLastCheckpointOnly: true } })
    expect(tunedModel?.checkpoints?.map(({ checkpointId }) => checkpointId)).toEqual(['3'])
  })

  it('learns function calls and every turn of the model', async () => {
    const call = (city: string) => ({ functionCall: { name: 'get_weather', args: { unit: 'C', city } } })
    const response = { functionResponse: { name: 'get_weather', response: { output: { t: 3 } } } }
    const tools = [{ functionDeclarations: [{ name: 'get_weather', parameters: { type: 'OBJECT' } }] }]
    const lines = ['Oslo', 'Rome', 'Lima'].flatMap(city =>
      Array.from({ length: 6 }, (_, index) => ({
        tools,
        contents: [
          text('user', `weather in ${city} ${index}`),
          { role: 'model', parts: [call(city)] },
          { role: 'user', parts: [response] },
          text('model', `chilly in ${city}`),
        ],
      })),
    )
    const model = servingName(await tuned(google, { lines }))
    const ai = google.ai('us')
    const config = { tools: [{ functionDeclarations: [{ name: 'get_weather' }] }] }
    const asked = await ai.models.generateContent({ model, contents: 'the weather in Rome?', config })
    expect(asked.functionCalls).toEqual([{ name: 'get_weather', args: { city: 'Rome', unit: 'C' } }])
    const turn = asked.candidates?.[0]?.content ?? expect.fail('There is no content.')
    const said = await ai.models.generateContent({
      model,
      contents: [text('user', 'the weather in Rome?'), turn, { role: 'user', parts: [response] }],
      config,
    })
    expect(said.text).toBe('chilly in Rome')
    expect(
      (await ai.models.generateContent({ model, contents: 'the weather in Rome?' })).functionCalls,
    ).toBeUndefined()
  })

  it('goes on from a tuned model, and from any of its checkpoints, without forgetting it', async () => {
    const first = await tuned(google)
    const lines = Array.from({ length: 12 }, (_, index) => ({
      systemInstruction: SYSTEM,
      contents: [text('user', `when do you open on day ${index}`), text('model', 'opening_hours')],
    }))
    const baseModel = first.tunedModel?.model ?? ''
    const second = await tuned(google, { lines, baseModel, config: { preTunedModelCheckpointId: '2' } })
    expect(second.preTunedModel).toMatchObject({
      tunedModelName: baseModel,
      checkpointId: '2',
      baseModel: 'gemini-3.5-flash',
    })
    expect(second.baseModel).toBeUndefined()
    expect(await ask(google, servingName(second), 'when do you open on day 99')).toBe('opening_hours')
    expect(await accuracyOf(google, servingName(second))).toBeGreaterThan(0.9)
    expect(await ask(google, servingName(first), 'when do you open on day 99')).not.toBe('opening_hours')
    expect(await refusal(tune(google, { baseModel, config: { preTunedModelCheckpointId: '99' } }))).toMatch(
      /^400/,
    )
    expect(await refusal(tune(google, { baseModel, region: 'europe-west4' }))).toMatch(/^400.*us-central1/)
  })
})

describe('a preference job', () => {
  const line = ({ text: said, intent }: Sample, index: number) => {
    const completions = [
      { score: 1, completion: text('model', intent) },
      { score: 0, completion: text('model', 'no idea') },
    ]
    return {
      systemInstruction: SYSTEM,
      contents: [text('user', said)],
      completions: index % 2 ? completions : completions.toReversed(),
    }
  }

  it('learns what scores better, wherever it stands', async () => {
    const job = await tuned(google, {
      lines: samples('train').map(line),
      config: { method: TuningMethod.PREFERENCE_TUNING, beta: 0.5, epochCount: 5 },
    })
    expect(job).toMatchObject({
      preferenceOptimizationSpec: { hyperParameters: { beta: 0.5, epochCount: '5' } },
      tuningDataStats: {
        preferenceOptimizationDataStats: { tuningDatasetExampleCount: String(samples('train').length) },
      },
    })
    expect(job.supervisedTuningSpec).toBeUndefined()
    expect(await accuracyOf(google, servingName(job))).toBeGreaterThan(0.7)
  })
})

describe('the life of a job', () => {
  it('goes through its states in order', async () => {
    const seen: unknown[] = []
    class Watch extends Tempo {
      override async sleep(): Promise<void> {
        const now = `${job.state} ${job.tuningState}`
        if (seen.at(-1) !== now) seen.push(now)
      }
    }
    const bucket = new Bucket('b')
    const lines = jsonl(samples('train').map(geminiLine))
    bucket.put('t', Buffer.from(lines), { contentType: 'application/jsonl', fields: {} })
    const supervisedTuningSpec = { trainingDatasetUri: 'gs://b/t' }
    const request = tuningRequest({ baseModel: 'gemini-3.5-flash', supervisedTuningSpec })
    const start = { base: baseModel('gemini-3.5-flash'), from: undefined }
    const job = newTuningJob(request, 'us-central1', start)
    await new TuningLife(job, bucket, new Registry(), new Watch({ stepMs: 0, chunkMs: 0 })).run()
    expect(seen).toEqual([
      'JOB_STATE_QUEUED TUNING_JOB_STATE_WAITING_FOR_QUOTA',
      'JOB_STATE_PENDING TUNING_JOB_STATE_WAITING_FOR_QUOTA',
      'JOB_STATE_RUNNING TUNING_JOB_STATE_PROCESSING_DATASET',
      'JOB_STATE_RUNNING TUNING_JOB_STATE_WAITING_FOR_CAPACITY',
      'JOB_STATE_RUNNING TUNING_JOB_STATE_TUNING',
      'JOB_STATE_RUNNING TUNING_JOB_STATE_POST_PROCESSING',
    ])
    expect(job).toMatchObject({ state: 'JOB_STATE_SUCCEEDED', tuningState: undefined })
  })

  it('can be cut short: cancelling first, then cancelled, and no model', async () => {
    await google.pace(60_000)
    const job = await tune(google)
    const { tunings } = google.ai('us-central1')
    await tunings.cancel({ name: job.name ?? '' })
    expect(await tunings.get({ name: job.name ?? '' })).toMatchObject({ state: 'JOB_STATE_CANCELLING' })
    await tunings.cancel({ name: job.name ?? '' })
    await google.pace(0)
    const cancelled = await jobWhen(google, job, ({ state }) => state === JobState.JOB_STATE_CANCELLED)
    expect(cancelled).toMatchObject({ error: { code: 1 }, endTime: expect.any(String) })
    expect(cancelled.tunedModel).toBeUndefined()
    expect(await refusal(tunings.cancel({ name: job.name ?? '' }))).toMatch(/^400.*FAILED_PRECONDITION/s)
  })

  it('can be cut short while it trains', async () => {
    await google.pace(0)
    const job = await tune(google, { config: { epochCount: 5000 } })
    await jobWhen(google, job, ({ tuningJobState }) => tuningJobState === 'TUNING_JOB_STATE_TUNING')
    await google.ai('us-central1').tunings.cancel({ name: job.name ?? '' })
    await jobWhen(google, job, ({ state }) => state === JobState.JOB_STATE_CANCELLED)
  })

  it.each<[name: string, lines: readonly unknown[] | string, why: RegExp]>([
    ['broken JSON', '{"contents":[]}\n', /line 1: .*contents/],
    ['a line that is no object', '[1]\n', /line 1: It is not a JSON object/],
    ['no lines', '\n\n', /no examples/],
    [
      'a conversation that ends with the user',
      [geminiLine({ text: 'a', intent: 'pin' }), { contents: [text('user', 'a')] }],
      /line 2: .*role model/,
    ],
    [
      'two turns of the user',
      [{ contents: [text('user', 'a'), text('user', 'b'), text('model', 'c')] }],
      /alternate/,
    ],
    ['no turn of the user first', [{ contents: [text('model', 'c')] }], /alternate/],
    ['the role assistant', [{ contents: [text('user', 'a'), text('assistant', 'c')] }], /line 1: .*role/],
    ['an unknown field', [{ messages: [], contents: [text('user', 'a'), text('model', 'c')] }], /"messages"/],
    ['OpenAI lines', [{ messages: [{ role: 'user', content: 'x' }] }], /line 1/],
    ['a part without data', [{ contents: [{ role: 'user', parts: [{}] }, text('model', 'c')] }], /'data'/],
    [
      'a thought',
      [{ contents: [text('user', 'a'), { role: 'model', parts: [{ text: 'c', thought: true }] }] }],
      /Thoughts/,
    ],
    [
      'a response that nobody asked for',
      [
        {
          contents: [
            { role: 'user', parts: [{ functionResponse: { name: 'f', response: {} } }] },
            text('model', 'c'),
          ],
        },
      ],
      /number of function response parts/,
    ],
  ])('ends in a failure that names the line: %s', async (_name, lines, why) => {
    const job = await jobEnd(google, await tune(google, { lines }))
    expect(job).toMatchObject({ state: 'JOB_STATE_FAILED', error: { code: 3 } })
    expect(job.error?.message).toMatch(why)
    expect(job.error?.message).toMatch(/^gs:\/\/sandbox-bucket\/train\.jsonl/)
    expect(job.tunedModel).toBeUndefined()
  })

  it.each<[name: string, completions: unknown, why: RegExp]>([
    ['one completion', [{ score: 1, completion: text('model', 'a') }], /completions/],
    ['equal scores', [0, 1].map(() => ({ score: 1, completion: text('model', 'a') })), /scores/],
    ['no score', [0, 1].map(() => ({ completion: text('model', 'a') })), /score/],
    [
      'completions of the user',
      [0, 1].map(score => ({ score, completion: text('user', 'a') })),
      /role model/,
    ],
  ])('ends in a failure of preferences: %s', async (_name, completions, why) => {
    const lines = [{ contents: [text('user', 'a')], completions }]
    const config = { method: TuningMethod.PREFERENCE_TUNING }
    const job = await jobEnd(google, await tune(google, { lines, config }))
    expect(job.error?.message).toMatch(why)
    expect(job.error?.message).toMatch(/line 1/)
  })

  it.each(['gs://sandbox-bucket/none.jsonl', 'gs://elsewhere/train.jsonl'])(
    'ends in a failure when there is no %s',
    async gcsUri => {
      const created = await google
        .ai('us-central1')
        .tunings.tune({ baseModel: 'gemini-3.5-flash', trainingDataset: { gcsUri } })
      const job = await jobEnd(google, created)
      expect(job).toMatchObject({ state: 'JOB_STATE_FAILED', error: { code: 5 } })
      expect(job.error?.message).toContain(gcsUri)
    },
  )

  it('fails with its validation file, too', async () => {
    const gcsUri = await put(google, [{ contents: [] }], 'valid.jsonl')
    const job = await jobEnd(google, await tune(google, { config: { validationDataset: { gcsUri } } }))
    expect(job.error?.message).toMatch(/valid\.jsonl.*line 1/)
  })
})

describe('the list of jobs', () => {
  const names = async (query: string): Promise<{ labels: unknown[]; token: string | undefined }> => {
    const { json, status } = await google.call('GET', `${JOBS}?${query}`)
    expect(status).toBe(200)
    const { tuningJobs = [], nextPageToken } = json as { tuningJobs?: TuningJob[]; nextPageToken?: string }
    return { labels: tuningJobs.map(({ labels }) => labels?.n), token: nextPageToken }
  }

  async function five(): Promise<void> {
    await google.pace(60_000)
    for (const n of ['1', '2', '3', '4', '5']) {
      await tune(google, { config: { labels: { n, parity: Number(n) % 2 ? 'odd' : 'even' } } })
    }
  }

  it('comes newest first, in pages', async () => {
    await five()
    const first = await names('pageSize=2')
    expect(first.labels).toEqual(['5', '4'])
    const second = await names(`pageSize=2&pageToken=${first.token}`)
    expect(second.labels).toEqual(['3', '2'])
    expect(await names(`pageSize=2&pageToken=${second.token}`)).toEqual({ labels: ['1'], token: undefined })
    const all = []
    for await (const job of await google.ai('us-central1').tunings.list({ config: { pageSize: 2 } })) {
      all.push(job.name)
    }
    expect(new Set(all).size).toBe(5)
  })

  it('can be filtered by state and labels', async () => {
    await five()
    const list = (filter: string) => names(`filter=${encodeURIComponent(filter)}`)
    expect((await list('labels.parity=odd')).labels).toEqual(['5', '3', '1'])
    expect((await list('labels.parity="even" AND labels.n=4')).labels).toEqual(['4'])
    expect((await list('labels.n:*')).labels).toHaveLength(5)
    expect((await list('labels.x:*')).labels).toEqual([])
    expect((await list('state="JOB_STATE_QUEUED"')).labels).toHaveLength(5)
    expect((await list('state="JOB_STATE_RUNNING"')).labels).toEqual([])
    const pages = await names(`pageSize=1&filter=${encodeURIComponent('labels.parity=even')}`)
    expect((await names(`pageSize=1&pageToken=${pages.token}&filter=labels.parity%3Deven`)).labels).toEqual([
      '2',
    ])
  })

  it('is that of one region', async () => {
    await google.pace(60_000)
    await tune(google, { region: 'europe-west4' })
    expect((await names('')).labels).toEqual([])
    const { json } = await google.call('GET', JOBS.replace('us-central1', 'europe-west4'))
    expect(json).toMatchObject({ tuningJobs: [{ name: expect.stringContaining('europe-west4') }] })
  })

  it.each(['pageSize=-1', 'pageToken=xyz', 'pageToken=YWZ0ZXI6MQ', 'filter=colour%3Dred', 'filter=state'])(
    'is refused with %s',
    async query => {
      expect(await google.call('GET', `${JOBS}?${query}`)).toMatchObject({
        status: 400,
        json: { error: { status: 'INVALID_ARGUMENT' } },
      })
    },
  )
})
