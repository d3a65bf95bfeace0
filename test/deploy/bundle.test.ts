/** The bundle for Lambda: a start reads one module, and what few requests need is loaded by those. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { isBuiltin } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Metafile } from 'esbuild'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bundle } from '../../esbuild.config.ts'

/** Bytes of what every start reads, compressed. */
const MOST_MAIN = 250 * 1024

let directory: string
let outputs: Metafile['outputs']
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tunegate-lambda-'))
  outputs = (await bundle(undefined, directory)).outputs
})
afterAll(() => rm(directory, { recursive: true }))

/** An output by the name of its file. */
const outputNamed = (name: string): string =>
  Object.keys(outputs).find(path => basename(path) === name) ?? expect.fail(`there is no ${name}`)

/** The outputs that are loaded with one, itself among them. */
const loadedWith = (path: string, seen = new Set<string>()): Set<string> => {
  if (seen.has(path)) return seen
  seen.add(path)
  for (const { path: imported, kind, external } of outputs[path]?.imports ?? [])
    if (kind === 'import-statement' && !external) loadedWith(imported, seen)
  return seen
}
const inputsOf = (paths: Iterable<string>) =>
  [...paths].flatMap(path => Object.keys(outputs[path]?.inputs ?? {}))

const LAZY = /\.tiktoken$|node_modules\/google-auth-library\//

describe('the Lambda bundle', () => {
  it('starts small', async () => {
    const start = [...loadedWith(outputNamed('lambda.mjs'))]
    const sizes = await Promise.all(
      start.map(async path => gzipSync(await readFile(join(directory, basename(path)))).length),
    )
    const size = sizes.reduce((sum, each) => sum + each, 0)
    console.info(`Lambda bundle: ${(size / 1024).toFixed(1)} KiB compressed at start`)
    expect(size).toBeLessThan(MOST_MAIN)
  })

  it('leaves rank tables and federated identities to those who need them', () => {
    const all = inputsOf(Object.keys(outputs)).filter(path => LAZY.test(path))
    expect(all.filter(path => path.endsWith('.tiktoken'))).toHaveLength(2)
    expect(all.some(path => path.includes('google-auth-library'))).toBe(true)
    expect(inputsOf(loadedWith(outputNamed('lambda.mjs'))).filter(path => LAZY.test(path))).toEqual([])
  })

  it('brings all it needs but Node itself', () => {
    const foreign = Object.values(outputs)
      .flatMap(({ imports }) => imports)
      .filter(({ external, path }) => external && !isBuiltin(path))
    expect(foreign).toEqual([])
  })

  it('has a google-auth-library that loads, with the names the code asks for', async () => {
    const [path = ''] =
      Object.entries(outputs).find(([, { entryPoint }]) => entryPoint?.endsWith('/google-library.ts')) ?? []
    const library = await import(/* @vite-ignore */ join(directory, basename(path)))
    const account = {
      type: 'external_account',
      audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/aws',
      subject_token_type: 'urn:ietf:params:aws:token-type:aws4_request',
      token_url: 'https://sts.googleapis.com/v1/token',
      aws_security_credentials_supplier: {},
    }
    expect(new library.AwsClient(account)).toHaveProperty('getAccessToken')
    expect(library.IdentityPoolClient).toBeTypeOf('function')
  })
})
