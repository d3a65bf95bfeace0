import { describe, expect, it } from 'vitest'
import { samples } from '../support.ts'
import { accuracyOf, CLAUDE, deployed, LLAMA, linesFor, NOVA, trained, useAws } from './support.ts'

const bench = useAws()

describe('a customization job', () => {
  it('makes a model that answers unseen sentences better than its base', async () => {
    const job = await trained(bench)
    const deployment = await deployed(bench, job)
    expect(await accuracyOf(bench, deployment)).toBeGreaterThan(0.9)
    expect(await accuracyOf(bench, 'amazon.nova-lite-v1:0')).toBe(0)
    console.log(job, await accuracyOf(bench, deployment))
  })
})
