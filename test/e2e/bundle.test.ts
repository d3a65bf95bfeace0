/** What a deployment uploads: the tokenizers' tables are no part of the module that every start reads. */
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const WRANGLER = join(ROOT, 'node_modules/wrangler/bin/wrangler.js')
/** Bytes of the main module, compressed. */
const MOST_MAIN = 250 * 1024
const QUIET = { WRANGLER_SEND_METRICS: 'false', WRANGLER_SEND_ERROR_REPORTS: 'false' }

it('the main module is small, and imports the tables of tokenizers only when they are needed', async () => {
  const out = await mkdtemp(join(tmpdir(), 'tunegate-bundle-'))
  try {
    const args = [WRANGLER, 'deploy', '--dry-run', '--minify', '--outdir', out]
    await promisify(execFile)(process.execPath, args, { cwd: ROOT, env: { ...process.env, ...QUIET } })
    const tables = (await readdir(out)).filter(name => name.endsWith('.tiktoken'))
    expect(tables.map(name => name.replace(/^\w+-/, '')).toSorted()).toEqual([
      'cl100k_base.tiktoken',
      'o200k_base.tiktoken',
    ])
    const main = await readFile(join(out, 'worker.js'), 'utf8')
    const size = gzipSync(main).length
    console.info(`Worker bundle: ${(size / 1024).toFixed(1)} KiB compressed at start`)
    expect(size).toBeLessThan(MOST_MAIN)
    for (const table of tables) {
      expect(main.split(table)).toHaveLength(2)
      expect(main).toContain(`import("./${table}")`)
    }
  } finally {
    await rm(out, { recursive: true })
  }
})
