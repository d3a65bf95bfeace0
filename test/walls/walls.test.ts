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
    ['shared/providers/vertex_ai/auth.ts', 'shared/providers/bedrock/auth.ts', /registry alone/],
    ['shared/providers/openai/jobs.ts', 'shared/providers/azure/jobs.ts', /registry alone/],
    ['shared/providers/azure/jobs.ts', 'shared/providers/openai_compatible/index.ts', /registry alone/],
    ['shared/providers/connect.ts', 'shared/providers/openai/index.ts', /registry alone/],
    ['shared/credentials/tokens.ts', 'shared/providers/index.ts', /does not enter/],
    ['shared/serving/deployments.ts', 'shared/training/index.ts', /does not enter/],
    ['shared/serving/deployments.ts', 'shared/datasets/index.ts', /does not enter/],
    ['shared/datasets/copies.ts', 'shared/credentials/tokens.ts', /one door/],
    ['functions/jobs.ts', 'shared/training/deployments.ts', /one door/],
    ['functions/context.ts', 'shared/platform/cloudflare/index.ts', /adapter/],
    ['shared/datasets/formats/gemini.ts', 'shared/providers/vertex_ai/index.ts', /registry alone/],
    ['shared/caches.ts', 'test/pure/support/memory.ts', /around/],
    ['functions/app.ts', 'shared/platform/cloudflare/index.ts', /adapter/],
    ['shared/datasets/upload.ts', 'shared/platform/cloudflare/bucket.ts', /adapter/],
    ['functions/app.ts', 'shared/platform/aws/index.ts', /adapter/],
    ['shared/platform/cloudflare/index.ts', 'shared/platform/aws/streams.ts', /adapter/],
    ['shared/platform/aws/store.ts', 'shared/providers/index.ts', /does not enter/],
    ['functions/worker.ts', 'sandbox/server.ts', /around/],
    ['sandbox/openai/jobs.ts', 'shared/openai/index.ts', /independent/],
  ])('%s may not import %s', (from, to, why) => {
    expect(objection(from, to)).toMatch(why)
  })

  it.each([
    ['functions/worker.ts', 'shared/platform/cloudflare/index.ts'],
    ['functions/lambda.ts', 'shared/platform/aws/index.ts'],
    ['shared/platform/aws/bucket.ts', 'shared/platform/s3-settings.ts'],
    ['functions/files.ts', 'shared/datasets/index.ts'],
    ['shared/training/submit.ts', 'shared/serving/index.ts'],
    ['shared/training/submit.ts', 'shared/context.ts'],
    ['shared/training/submit.ts', 'shared/training/plan.ts'],
    ['shared/providers/registry.ts', 'shared/providers/openai/index.ts'],
    ['shared/providers/azure/jobs.ts', 'shared/providers/openai/jobs.ts'],
    ['shared/providers/openai_compatible/index.ts', 'shared/providers/openai/index.ts'],
    ['shared/datasets/formats/index.ts', 'shared/providers/index.ts'],
    ['shared/datasets/formats/index.ts', 'shared/datasets/formats/gemini.ts'],
    ['shared/providers/connect.ts', 'shared/credentials/index.ts'],
    ['shared/credentials/tokens.ts', 'shared/caches.ts'],
    ['shared/training/deployments.ts', 'shared/serving/index.ts'],
    ['functions/jobs.ts', 'shared/training/index.ts'],
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
