/** A tuned model can be looked at, and got rid of, in the order that the service wants. */
import { expect, it } from 'vitest'
import { servingName, tuned, useGoogle } from './support.ts'

const google = useGoogle()

const at = (name: string | undefined): string => `/aiplatform/v1/${name}`

async function done(operation: { status: number; json: unknown }): Promise<void> {
  expect(operation.status).toBe(200)
  const { name } = operation.json as { name: string }
  expect(name).toMatch(/\/operations\/\d+$/)
  expect(await google.call('GET', at(name))).toMatchObject({ status: 200, json: { name, done: true } })
}

it('is deleted after it is undeployed everywhere', async () => {
  const job = await tuned(google, {
    config: { epochCount: 2, tunedModelDisplayName: 'bank', labels: { tenant: 't1' } },
  })
  const model = job.tunedModel?.model ?? ''
  const endpoints = job.tunedModel?.checkpoints?.map(({ endpoint }) => endpoint ?? '') ?? []
  expect(await google.call('GET', at(model))).toMatchObject({
    status: 200,
    json: {
      name: model.replace('@1', ''),
      versionId: '1',
      displayName: 'bank',
      labels: { tenant: 't1' },
      deployedModels: endpoints.map(endpoint => ({
        endpoint,
        deployedModelId: expect.stringMatching(/^\d+$/),
      })),
    },
  })
  expect(await google.call('DELETE', at(model))).toMatchObject({
    status: 400,
    json: { error: { status: 'FAILED_PRECONDITION' } },
  })
  for (const endpoint of endpoints) {
    const { json } = await google.call('GET', at(endpoint))
    const [deployed] = (json as { deployedModels: { id: string; model: string }[] }).deployedModels
    expect(deployed?.model).toBe(model.replace('@1', ''))
    expect(await google.call('DELETE', at(endpoint))).toMatchObject({ status: 400 })
    const undeploy = (deployedModelId: string) =>
      google.call('POST', `${at(endpoint)}:undeployModel`, { deployedModelId })
    expect(await undeploy('1')).toMatchObject({ status: 404 })
    await done(await undeploy(deployed?.id ?? ''))
    expect((await google.call('GET', at(endpoint))).json).not.toHaveProperty('deployedModels')
  }
  const ask = () =>
    google.call('POST', `${at(servingName(job))}:generateContent`, {
      contents: [{ role: 'user', parts: [{ text: 'hi' }] }],
    })
  expect(await ask()).toMatchObject({ status: 400, json: { error: { status: 'FAILED_PRECONDITION' } } })
  for (const endpoint of endpoints) await done(await google.call('DELETE', at(endpoint)))
  expect(await ask()).toMatchObject({ status: 404 })
  await done(await google.call('DELETE', at(model)))
  expect(await google.call('GET', at(model))).toMatchObject({ status: 404 })
  expect(await google.control('GET', '/google/state')).toMatchObject({ models: [], endpoints: [] })
})

it('is found in its region alone', async () => {
  const { tunedModel } = await tuned(google, { config: { epochCount: 1 } })
  for (const name of [tunedModel?.model, tunedModel?.endpoint]) {
    expect(await google.call('GET', at(name))).toMatchObject({ status: 200 })
    const elsewhere = name?.replace('us-central1', 'europe-west4')
    expect(await google.call('GET', at(elsewhere))).toMatchObject({ status: 404 })
  }
})
