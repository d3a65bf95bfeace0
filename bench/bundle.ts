/**
 * Makes the code of the two Workers: the bundle a deployment would upload, through the same door for both.
 *
 * **Why the prelude.** Miniflare routes every global `fetch` of a Worker through an interceptor Worker (it strips a
 * header and fakes image resizing). Production has no such hop. It would add the same CPU to both sides and thereby
 * flatter the ratio, so {@link PRELUDE} binds `fetch` in both Workers straight to workerd's network service.
 *
 * @module
 */
import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { type Unstable_Config as Config, unstable_readConfig } from 'wrangler'

/** The repository's root and its Worker configuration. */
export const ROOT = dirname(import.meta.dirname)
export const CONFIG = join(ROOT, 'wrangler.toml')

/** The service binding through which {@link PRELUDE} fetches. */
export const NETWORK_BINDING = 'BENCH_NETWORK'

const PRELUDE = `import { env } from 'cloudflare:workers'
const direct = env.${NETWORK_BINDING}
globalThis.fetch = (input, init) => direct.fetch(input, init)
`

/** Quiet and offline: a bench must neither report nor ask for updates. */
const WRANGLER_ENV = {
  WRANGLER_SEND_METRICS: 'false',
  WRANGLER_SEND_ERROR_REPORTS: 'false',
  WRANGLER_HIDE_BANNER: 'true',
  CLOUDFLARE_CF_FETCH_ENABLED: 'false',
}

/** One module of a bundle, in Miniflare's words. */
export interface Module {
  type: 'ESModule' | 'CompiledWasm' | 'Text' | 'Data'
  path: string
  contents: string | Uint8Array
}

/** What decides how workerd runs a Worker's code: the same for both. */
export interface Compatibility {
  date: string
  flags: string[]
  /** esbuild's keepNames, on by default in wrangler. */
  keepNames: boolean
  /** Which imports become modules of their own beside the main one. */
  rules: Config['rules']
}

/**
 * A Worker in the gateway's place. `bare`: shows how far two equal Workers differ; `floor`: the least gateway there can be.
 */
export type StandIn = 'bare' | 'floor'

/** Both Workers' code, ready to be booted as often as needed. */
export interface Build {
  gateway: Module[]
  bare: Module[]
  standIn: StandIn | null
  compatibility: Compatibility
}

const DEFAULTS: Compatibility = { date: '2026-10-01', flags: ['nodejs_compat'], keepNames: true, rules: [] }

const MODULE_TYPES: Record<string, Module['type']> = {
  js: 'ESModule',
  mjs: 'ESModule',
  wasm: 'CompiledWasm',
  txt: 'Text',
  html: 'Text',
  bin: 'Data',
  tiktoken: 'Text',
}

function withPrelude(modules: Module[]): Module[] {
  const main = modules[0]?.path
  const entry = `import './bench-prelude.js'\nexport * from './${main}'\nexport { default } from './${main}'\n`
  return [
    { type: 'ESModule', path: 'bench-entry.js', contents: entry },
    { type: 'ESModule', path: 'bench-prelude.js', contents: PRELUDE },
    ...modules,
  ]
}

/** @returns the main module, then what it imports */
async function bundle(main: string, how: Compatibility, out: string, readable: boolean): Promise<Module[]> {
  const files = join(out, 'files')
  const configPath = join(out, 'wrangler.json')
  await mkdir(out, { recursive: true })
  // Bindings play no part in bundling, so a minimal configuration does for both.
  const config = {
    name: 'bench',
    main,
    compatibility_date: how.date,
    compatibility_flags: how.flags,
    keep_names: how.keepNames,
    rules: how.rules,
  }
  await writeFile(configPath, JSON.stringify(config))
  const home = dirname(createRequire(import.meta.url).resolve('wrangler/package.json'))
  const args = ['deploy', '--dry-run', '--config', configPath, '--outdir', files]
  if (!readable) args.push('--minify')
  await promisify(execFile)(process.execPath, [join(home, 'bin/wrangler.js'), ...args], {
    cwd: ROOT,
    env: { ...process.env, ...WRANGLER_ENV },
  })
  const modules: Module[] = []
  for (const path of await readdir(files, { recursive: true })) {
    const type = MODULE_TYPES[path.slice(path.lastIndexOf('.') + 1)]
    if (type === undefined) continue
    const bytes = await readFile(join(files, path))
    const isText = type === 'ESModule' || type === 'Text'
    modules.push({ type, path, contents: isText ? bytes.toString('utf8') : bytes })
  }
  const isMain = ({ path }: Module) => path === `${basename(main, '.ts')}.js`
  return modules.sort((a, b) => Number(isMain(b)) - Number(isMain(a)))
}

function gatewayCompatibility(): Compatibility {
  const config = unstable_readConfig({ config: CONFIG })
  return {
    date: config.compatibility_date ?? DEFAULTS.date,
    flags: config.compatibility_flags,
    keepNames: config.keep_names ?? DEFAULTS.keepNames,
    rules: config.rules,
  }
}

/** Bundles a Worker of the bench's own, with the gateway's settings. */
export async function bundleWorker(
  file: string,
  scratch: string,
): Promise<{ modules: Module[]; compatibility: Compatibility }> {
  const compatibility = gatewayCompatibility()
  const out = join(scratch, `bundle-${basename(file, '.ts')}`)
  return { modules: await bundle(join(import.meta.dirname, file), compatibility, out, false), compatibility }
}

/**
 * Bundles the gateway and the bare Worker.
 *
 * @param scratch a directory for the intermediate files
 * @param options `standIn`: for the gateway; `readable`: keep the names, for a profile
 */
export async function build(
  scratch: string,
  options: { standIn: StandIn | null; readable: boolean },
): Promise<Build> {
  const { standIn, readable } = options
  const bareEntry = join(import.meta.dirname, 'bare.ts')
  const bareOut = join(scratch, 'bundle-bare')
  if (standIn !== null) {
    const bare = withPrelude(await bundle(bareEntry, DEFAULTS, bareOut, readable))
    const floor = async () =>
      withPrelude(
        await bundle(
          join(import.meta.dirname, 'floor.ts'),
          DEFAULTS,
          join(scratch, 'bundle-floor'),
          readable,
        ),
      )
    return { bare, gateway: standIn === 'bare' ? bare : await floor(), standIn, compatibility: DEFAULTS }
  }
  const config = unstable_readConfig({ config: CONFIG })
  if (config.main === undefined) throw new Error(`${CONFIG} names no main module`)
  const compatibility = gatewayCompatibility()
  const [gateway, bare] = await Promise.all([
    bundle(config.main, compatibility, join(scratch, 'bundle-gateway'), readable),
    bundle(bareEntry, compatibility, bareOut, readable),
  ])
  return { bare: withPrelude(bare), gateway: withPrelude(gateway), standIn, compatibility }
}
