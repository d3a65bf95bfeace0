/** From a dataset to a tuned model that answers, on both surfaces, with the official clients. */
import type OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import { samples, tunedName } from '../support.ts'
import { type AzureBench, BASE, FIRST, PREVIEW, tune, useAzure } from './support.ts'

const bench = useAzure()

async function answers(client: OpenAI, model: string, text: string): Promise<string | null | undefined> {
  const completion = await client.chat.completions.create({
    model,
    messages: [
      { role: 'system', content: 'Name the intent.' },
      { role: 'user', content: text },
    ],
  })
  return completion.choices[0]?.message.content
}

async function accuracy(client: OpenAI, model: string): Promise<number> {
  const right = await Promise.all(
    samples('heldOut').map(async ({ text, intent }) => (await answers(client, model, text)) === intent),
  )
  return right.filter(Boolean).length / right.length
}

const SURFACES: [name: string, client: (azure: AzureBench) => OpenAI][] = [
  ['v1', azure => azure.v1()],
  [FIRST, azure => azure.dated({ apiVersion: FIRST })],
  [PREVIEW, azure => azure.dated({ apiVersion: PREVIEW })],
]

describe.each(SURFACES)('on the surface %s', (_name, clientOf) => {
  it('a tuned and deployed model has learned what its base does not know', async () => {
    const client = clientOf(bench)
    const job = await tune(client, { suffix: 'bank_intents-1' })
    const name = tunedName(job)
    expect(job.status).toBe('succeeded')
    expect(name).toMatch(/^gpt-4\.1-mini-2025-04-14\.ft-[0-9a-f]{32}-bank_intents-1$/)

    expect((await bench.deploy('intents', name)).status).toBe(201)
    const states: unknown[] = []
    do {
      const { json } = await bench.arm('GET', `${bench.azure.resource}/deployments/intents`)
      states.push((json.properties as { provisioningState: string }).provisioningState)
    } while (states.at(-1) !== 'Succeeded')
    expect(states).toEqual(['Creating', 'Succeeded'])

    const base = await accuracy(client, 'gpt-4.1-mini')
    const tuned = await accuracy(client, 'intents')
    expect(base).toBe(0)
    expect(tuned).toBeGreaterThan(0.8)

    expect((await bench.arm('DELETE', `${bench.azure.resource}/deployments/intents`)).status).toBe(202)
  })
})

it('a job goes on from a tuned model', async () => {
  const client = bench.v1()
  const first = await tune(client)
  const second = await tune(client, { model: tunedName(first), suffix: 'two' })
  expect(second).toMatchObject({ status: 'succeeded', model: tunedName(first) })
  expect(tunedName(second)).toMatch(new RegExp(`^${BASE.replaceAll('.', '\\.')}\\.ft-[0-9a-f]{32}-two$`))
})
