/**
 * The function's code as it is deployed: one ES module out of `functions/lambda.ts`.
 * @module
 */
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Packages that are CommonJS ask for Node's modules by `require`. */
const BANNER = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);"

/** @param entry from the project's root @param out a directory, which gets `lambda.mjs` and what it loads later */
export const bundleFunction = async (out: string, entry = 'functions/lambda.ts'): Promise<void> => {
  await build({
    absWorkingDir: ROOT,
    entryPoints: { lambda: entry },
    outdir: out,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    minify: true,
    loader: { '.tiktoken': 'text' },
    banner: { js: BANNER },
    logLevel: 'error',
  })
}
