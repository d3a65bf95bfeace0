import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readGraph } from './graph.ts'
import { objection, violations } from './walls.ts'

describe('the walls', () => {
  it.each([
    ['shared/training/jobs.ts', 'functions/app.ts', /functions/],
    ['shared/openai/errors.ts', 'shared/providers/index.ts', /does not enter/],
    ['shared/datasets/files.ts', 'shared/training/index.ts', /does not enter/],
    ['functions/files.ts', 'shared/datasets/upload.ts', /one door/],
    ['functions/files.ts', 'shared/providers/openai/index.ts', /registry alone/],
    ['shared/serving/names.ts', 'shared/providers/openai/index.ts', /registry alone/],
    ['shared/providers/vertex_ai/jobs.ts', 'shared/providers/openai/url.ts', /registry alone/],
    ['functions/app.ts', 'shared/platform/cloudflare/index.ts', /adapter/],
    ['shared/datasets/upload.ts', 'shared/platform/cloudflare/bucket.ts', /adapter/],
    ['functions/worker.ts', 'sandbox/server.ts', /around/],
    ['sandbox/openai/jobs.ts', 'shared/openai/index.ts', /independent/],
  ])('%s may not import %s', (from, to, why) => {
    expect(objection(from, to)).toMatch(why)
  })

  it.each([
    ['functions/worker.ts', 'shared/platform/cloudflare/index.ts'],
    ['functions/files.ts', 'shared/datasets/index.ts'],
    ['shared/training/submit.ts', 'shared/serving/index.ts'],
    ['shared/training/submit.ts', 'shared/context.ts'],
    ['shared/training/submit.ts', 'shared/training/plan.ts'],
    ['shared/providers/registry.ts', 'shared/providers/openai/index.ts'],
    ['shared/providers/azure/jobs.ts', 'shared/providers/openai/jobs.ts'],
    ['sandbox/openai/jobs.ts', 'sandbox/trainer/train.ts'],
    ['sandbox/dev.ts', 'sandbox/stack.ts'],
  ])('%s may import %s', (from, to) => {
    expect(objection(from, to)).toBeUndefined()
  })

  it('stand everywhere', () => {
    const graph = readGraph(join(import.meta.dirname, '../..'))
    expect(graph.flatMap(({ imports }) => imports).length).toBeGreaterThan(100)
    expect(violations(graph)).toEqual([])
  })
})
