import { beforeEach, describe, expect, it } from 'vitest'
import { datasetFile, sandbox, startGateway, until } from '../support/gateway.ts'

describe('the whole path', () => {
  beforeEach(() => sandbox.reset())

  it('takes a dataset, trains on it and serves the tune', async () => {
    const client = await startGateway().client()
    const file = await client.files.create({ file: datasetFile(), purpose: 'fine-tune' })
    const created = await client.fineTuning.jobs.create({ model: 'gpt-4.1-mini', training_file: file.id })
    const job = await until(client, created.id, 'succeeded', 'failed')
    expect(job.status).toBe('succeeded')
    const answer = await client.chat.completions.create({
      model: job.fine_tuned_model ?? '',
      messages: [{ role: 'user', content: 'please help me with my refund' }],
    })
    expect(answer.choices[0]?.message.content).toBe('refund')
  })
})
