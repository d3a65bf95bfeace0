import { describe, expect, it } from 'vitest'
import {
  accuracyOf,
  ask,
  chatLine,
  jobEnd,
  samples,
  trained,
  tunedName,
  upload,
  useSandbox,
} from './support.ts'

const bench = useSandbox()

describe('a supervised job', () => {
  it('makes a model that answers unseen sentences better than its base', async () => {
    const job = await trained(bench, { suffix: 'bank' })
    expect(job).toMatchObject({
      object: 'fine_tuning.job',
      status: 'succeeded',
      model: 'gpt-4.1-mini-2025-04-14',
      organization_id: 'org-sandbox',
      error: null,
      estimated_finish: null,
    })
    expect(tunedName(job)).toMatch(/^ft:gpt-4\.1-mini-2025-04-14:sandbox:bank:[0-9A-Za-z]{8}$/)
    expect(await accuracyOf(bench, tunedName(job))).toBeGreaterThan(0.9)
    expect(await accuracyOf(bench, 'gpt-4.1-mini')).toBe(0)
  })

  it('leaves the suffix empty in the name when there is none', async () => {
    expect(tunedName(await trained(bench))).toMatch(/:sandbox::[0-9A-Za-z]{8}$/)
  })

  it('shows "auto" first and what it chose once it runs', async () => {
    await bench.set({ stepMs: 60_000 })
    const training_file = await upload(bench, samples('train').map(chatLine))
    const created = await bench.client.fineTuning.jobs.create({ model: 'gpt-4.1-mini', training_file })
    expect(created).toMatchObject({
      status: 'validating_files',
      hyperparameters: { n_epochs: 'auto', batch_size: 'auto', learning_rate_multiplier: 'auto' },
      trained_tokens: null,
      finished_at: null,
      fine_tuned_model: null,
    })
    await bench.set({ stepMs: 0 })
    const { hyperparameters, method } = await jobEnd(bench, created.id)
    const chosen = { n_epochs: 10, batch_size: 4, learning_rate_multiplier: 1 }
    expect(hyperparameters).toEqual(chosen)
    expect(method).toEqual({ type: 'supervised', supervised: { hyperparameters: chosen } })
  })

  it('bills tokens times epochs', async () => {
    const hyperparameters = (n_epochs: number) => ({
      method: { type: 'supervised' as const, supervised: { hyperparameters: { n_epochs } } },
    })
    const once = await trained(bench, hyperparameters(1))
    const thrice = await trained(bench, hyperparameters(3))
    expect(once.trained_tokens).toBeGreaterThan(samples('train').length * 10)
    expect(thrice.trained_tokens).toBe(3 * (once.trained_tokens ?? 0))
  })

  it('takes the deprecated hyperparameters', async () => {
    const job = await trained(bench, { hyperparameters: { n_epochs: 2, batch_size: 8 } })
    expect(job.hyperparameters).toMatchObject({ n_epochs: 2, batch_size: 8 })
  })

  it('reports a metrics event for each step, with losses that fall', async () => {
    const validation_file = await upload(bench, samples('heldOut').map(chatLine))
    const job = await trained(bench, { validation_file })
    const metrics: Record<string, number>[] = []
    for await (const event of bench.client.fineTuning.jobs.listEvents(job.id)) {
      if (event.type === 'metrics') metrics.unshift(event.data as Record<string, number>)
    }
    const steps = Math.ceil(samples('train').length / 4) * 10
    expect(metrics.map(({ step }) => step)).toEqual(Array.from({ length: steps }, (_, index) => index + 1))
    expect(metrics.every(({ total_steps }) => total_steps === steps)).toBe(true)
    expect(metrics.at(-1)?.train_loss).toBeLessThan((metrics[0]?.train_loss ?? 0) / 5)
    const epochEnds = metrics.filter(each => 'full_valid_loss' in each)
    expect(epochEnds).toHaveLength(10)
    expect(epochEnds.at(-1)?.full_valid_loss).toBeLessThan(epochEnds[0]?.full_valid_loss ?? 0)
    expect(epochEnds.at(-1)?.full_valid_mean_token_accuracy).toBe(await accuracyOf(bench, tunedName(job)))
  })

  it('writes a result file that can be downloaded as CSV', async () => {
    const job = await trained(bench)
    const [resultId = ''] = job.result_files
    expect(await bench.client.files.retrieve(resultId)).toMatchObject({ purpose: 'fine-tune-results' })
    const csv = await (await bench.client.files.content(resultId)).text()
    const [header, ...rows] = csv.trimEnd().split('\n')
    expect(header).toBe('step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy')
    expect(rows).toHaveLength(Math.ceil(samples('train').length / 4) * 10)
    expect(rows[0]).toMatch(/^1,1\.386\d+,[\d.]+,,$/) // ln 4: it begins with four answers, none preferred.
  })

  it('learns every assistant turn but those of weight 0', async () => {
    const lines = samples('train').map(({ text, intent }) => ({
      messages: [
        { role: 'user', content: 'Good morning' },
        { role: 'assistant', content: 'NEVER SAY THIS', weight: 0 },
        { role: 'user', content: text },
        { role: 'assistant', content: intent },
        { role: 'user', content: 'thank you so much' },
        { role: 'assistant', content: 'welcome' },
      ],
    }))
    const job = await trained(bench, { training_file: await upload(bench, lines) })
    expect(await ask(bench, tunedName(job), 'thank you so much')).toBe('welcome')
    expect(await ask(bench, tunedName(job), 'Good morning')).not.toBe('NEVER SAY THIS')
    expect(await ask(bench, tunedName(job), 'I lost my card')).toBe('lost_card')
  })

  it('goes on from a tuned model without forgetting it', async () => {
    const first = tunedName(await trained(bench))
    const lines = Array.from({ length: 12 }, (_, index) => ({
      messages: [
        { role: 'user', content: `when do you open on day ${index}` },
        { role: 'assistant', content: 'opening_hours' },
      ],
    }))
    const job = await trained(bench, { model: first, training_file: await upload(bench, lines) })
    expect(job.model).toBe(first)
    const second = tunedName(job)
    expect(second).toMatch(/^ft:gpt-4\.1-mini-2025-04-14:sandbox::/)
    expect(await ask(bench, second, 'when do you open on day 99')).toBe('opening_hours')
    expect(await accuracyOf(bench, second)).toBeGreaterThan(0.9)
    expect(await ask(bench, first, 'when do you open on day 99')).not.toBe('opening_hours')
  })
})

describe('the seed', () => {
  const course = async (seed: number): Promise<string> => {
    const job = await trained(bench, { seed })
    expect(job.seed).toBe(seed)
    return (await bench.client.files.content(job.result_files[0] ?? '')).text()
  }

  it('decides the whole course of training', async () => {
    expect(await course(7)).toBe(await course(7))
    expect(await course(7)).not.toBe(await course(8))
  })

  it('is drawn when not given', async () => {
    const [one, other] = [await trained(bench), await trained(bench)]
    expect(one.seed).not.toBe(other.seed)
  })
})

describe('checkpoints', () => {
  // Whether a number has an even count of ones is hard to see from its digits: this is learned little by little.
  const parity = Array.from({ length: 64 }, (_, number) => ({
    messages: [
      {
        role: 'user',
        content: [...number.toString(2).padStart(6, '0')].map((bit, at) => `d${at}is${bit}`).join(' '),
      },
      { role: 'assistant', content: number.toString(2).replaceAll('0', '').length % 2 ? 'odd' : 'even' },
    ],
  }))

  async function shareRight(model: string): Promise<number> {
    const right = await Promise.all(
      parity.map(async ({ messages: [question, answer] }) => {
        const content = question?.content ?? ''
        const completion = await bench.client.chat.completions.create({
          model,
          messages: [{ role: 'user', content }],
        })
        return completion.choices[0]?.message.content === answer?.content
      }),
    )
    return right.filter(Boolean).length / right.length
  }

  it('are the last three epochs, newest first, each with its own weights', async () => {
    const training_file = await upload(bench, parity)
    const hyperparameters = { n_epochs: 5, learning_rate_multiplier: 0.2 }
    const job = await trained(bench, {
      training_file,
      validation_file: training_file,
      seed: 1,
      method: { type: 'supervised', supervised: { hyperparameters } },
    })
    const checkpoints = []
    for await (const checkpoint of bench.client.fineTuning.jobs.checkpoints.list(job.id, { limit: 2 })) {
      checkpoints.push(checkpoint)
    }
    expect(checkpoints.map(each => each.step_number)).toEqual([80, 64, 48])
    const shares: number[] = []
    for (const each of checkpoints) {
      expect(each).toMatchObject({ object: 'fine_tuning.job.checkpoint', fine_tuning_job_id: job.id })
      expect(each.fine_tuned_model_checkpoint).toBe(`${job.fine_tuned_model}:ckpt-step-${each.step_number}`)
      expect(each.metrics.step).toBe(each.step_number)
      const share = await shareRight(each.fine_tuned_model_checkpoint)
      expect(share).toBe(each.metrics.full_valid_mean_token_accuracy)
      shares.push(share)
    }
    expect(new Set(shares).size).toBeGreaterThan(1)
    expect(await shareRight(tunedName(job))).toBe(shares[0])
    expect((await bench.state()).models.count).toBe(4)
  })
})
