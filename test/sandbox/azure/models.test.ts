/** Models as Azure lists them. */
import { describe, expect, it } from 'vitest'
import { refusal } from '../support.ts'
import { BASE, PREVIEW, tune, useAzure } from './support.ts'

const bench = useAzure()

describe('the list of models', () => {
  it('has dated names, what they can do and until when', async () => {
    const { json } = await bench.raw('GET', `/models?api-version=${PREVIEW}`)
    const models = json.data as { id: string }[]
    expect(models.map(({ id }) => id)).toContain(BASE)
    expect(models.map(({ id }) => id)).not.toContain('gpt-4.1-mini')
    expect(models.find(({ id }) => id === BASE)).toMatchObject({
      capabilities: { fine_tune: true, inference: true },
      deprecation: { fine_tune: expect.any(Number), inference: expect.any(Number) },
    })
  })

  it('has the tunes of this resource, but not their checkpoints', async () => {
    const job = await tune(bench.v1())
    const ids = async (resource: string) =>
      (await bench.v1({ resource }).models.list()).data.map(({ id }) => id).filter(id => id.includes('.ft-'))
    expect(await ids('sandbox-eastus')).toEqual([job.fine_tuned_model])
    expect(await ids('sandbox-sweden')).toEqual([])
    expect(await bench.v1().models.retrieve(job.fine_tuned_model ?? '')).toMatchObject({
      model: BASE,
      fine_tune: job.id,
    })
    expect(await refusal(bench.v1().models.retrieve('none'))).toMatchObject({ status: 404, code: 'notFound' })
  })
})
