/**
 * The Lambda functions as one ES module and the pieces it loads when they are needed: rank tables of tokenizers, and
 * google-auth-library.
 *
 * `node esbuild.config.ts [entry [directory]]` writes it to where `serverless.yml` takes it from.
 * @module
 */
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { build, type Metafile, type Plugin, transform } from 'esbuild'
import config from './tunegate.config.ts'

const ROOT = import.meta.dirname
/** The module that `serverless.yml` names handlers of. */
const ENTRY = join(ROOT, 'functions/lambda.ts')
const DIRECTORY = join(ROOT, 'dist/aws')

/** What CloudFront runs, which takes no modules. */
const EDGE = join(ROOT, 'functions/edge.js')

/** Packages in CommonJS ask for Node's own modules by `require`, which an ES module has to make for itself. */
const REQUIRE = "import{createRequire}from'node:module';const require=createRequire(import.meta.url);"

/**
 * The function as CloudFront takes it. What its language has not is refused, but for what can be written otherwise.
 * @param origins whose pages may read its answers
 */
export const edgeCode = async (
  origins: readonly string[] = config.cors.origins,
  source?: string,
): Promise<string> => {
  const { code } = await transform(source ?? (await readFile(EDGE, 'utf8')), {
    target: 'es5',
    supported: { 'const-and-let': true, arrow: true },
    define: { CORS_ORIGINS: JSON.stringify(origins) },
  })
  return code
}

/** Writes it as text for `serverless.yml`, which would take template literals for variables of its own. */
export const writeEdge = async (directory: string): Promise<void> =>
  writeFile(join(directory, 'edge.txt'), await edgeCode())

/** Puts another configuration in the place of tunegate.config.ts. */
const configuredBy = (path: string): Plugin => ({
  name: 'configuration',
  setup: ({ onResolve }) =>
    onResolve({ filter: /^\.\.\/tunegate\.config\.ts$/ }, () => ({ path: resolve(ROOT, path) })),
})

/**
 * Bundles an entry into a directory, which is emptied first. Nothing is left to the runtime to bring: what Lambda has of its own
 * changes without notice.
 * @param configuration path of one to take in place of the project's own
 * @returns what went into which output, with paths from the project's root
 */
export const bundle = async (
  entry = ENTRY,
  directory = DIRECTORY,
  configuration?: string,
): Promise<Metafile> => {
  await rm(directory, { recursive: true, force: true })
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: { lambda: resolve(entry) },
    outdir: resolve(directory),
    bundle: true,
    format: 'esm',
    splitting: true,
    platform: 'node',
    target: 'node24',
    // ES modules first: what a CommonJS build holds and nobody uses cannot be left out.
    mainFields: ['module', 'main'],
    // A folder of modules needs a package.json to be one; a file's name does by itself.
    outExtension: { '.js': '.mjs' },
    chunkNames: '[name]-[hash]',
    loader: { '.tiktoken': 'text' },
    plugins: configuration === undefined ? [] : [configuredBy(configuration)],
    banner: { js: REQUIRE },
    minify: true,
    legalComments: 'none',
    // Beside the bundle, for reading traces; it is not deployed.
    sourcemap: 'external',
    sourcesContent: false,
    metafile: true,
    logLevel: 'warning',
  })
  await writeEdge(directory)
  return metafile
}

if (import.meta.main) {
  const [entry, directory] = process.argv.slice(2)
  const { outputs } = await bundle(entry, directory)
  for (const [path, { bytes }] of Object.entries(outputs))
    if (path.endsWith('.mjs')) console.info(`${(bytes / 1024).toFixed(1).padStart(9)} KiB  ${path}`)
}
