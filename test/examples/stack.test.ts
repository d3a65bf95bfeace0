import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { accountVariables } from '../../sandbox/accounts.ts'
import { PortInUseError, startStack, WranglerError } from '../../sandbox/stack.ts'

// A gateway of a few lines: what is tested here is how it is started and ended, not what it does.
const WORKER = `export default {
  async fetch(request, env) {
    if (new URL(request.url).pathname === '/v1/keys') {
      const { name } = await request.json()
      return Response.json({ key: 'tg-' + name + '-' + request.headers.get('authorization') })
    }
    return Response.json(env)
  },
}`

let dir: string
let config: string

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'stack-test-'))
  config = join(dir, 'wrangler.toml')
  await writeFile(config, 'name = "tiny"\nmain = "worker.js"\ncompatibility_date = "2026-10-01"\n')
  await writeFile(join(dir, 'worker.js'), WORKER)
  for (const name of ['.dev.vars', '.env']) {
    await writeFile(
      join(dir, name),
      'OPENAI_API_KEY=sk-real\nOPENAI_BASE_URL=https://example.com\nSTALE=yes\n',
    )
  }
})
afterAll(() => rm(dir, { recursive: true, force: true }))

const answers = (url: string): Promise<boolean> =>
  fetch(url).then(
    () => true,
    () => false,
  )

async function untilSilent(url: string): Promise<boolean> {
  for (let attempt = 0; attempt < 100; attempt++) {
    if (!(await answers(url))) return true
    await sleep(50)
  }
  return false
}

describe('startStack', { timeout: 60_000 }, () => {
  it('points the gateway at the sandbox, whatever the user’s .dev.vars and .env say', async () => {
    const stack = await startStack({ wranglerConfig: config, vars: { EXTRA: 'a:b=c' } })
    try {
      const { apiKey, openaiBaseUrl } = stack.sandbox
      const seen = await (await fetch(stack.url)).json()
      expect(seen).toEqual({
        ...accountVariables(stack.sandbox),
        OPENAI_API_KEY: apiKey,
        OPENAI_BASE_URL: openaiBaseUrl,
        TUNEGATE_ADMIN_KEY: stack.adminKey,
        TUNEGATE_ENCRYPTION_KEY: expect.stringMatching(/^[\w-]{43}$/),
        EXTRA: 'a:b=c',
      })
      expect(stack.baseURL).toBe(`${stack.url}/v1`)
      expect(await stack.createKey('me')).toBe(`tg-me-Bearer ${stack.adminKey}`)
    } finally {
      await stack.stop()
    }
    expect(await answers(stack.url)).toBe(false)
    expect(() => stack.sandbox).toThrow('no sandbox')
    await stack.stop()
  })

  it('survives a crash of the gateway on the same port', async () => {
    const stack = await startStack({ wranglerConfig: config, sandbox: false })
    try {
      const { url, pid } = stack
      await stack.killGateway()
      expect(await answers(url)).toBe(false)
      await stack.startGateway()
      expect(await answers(url)).toBe(true)
      expect(stack.pid).not.toBe(pid)
    } finally {
      await stack.stop()
    }
  })

  it('keeps its encryption key with the state it has sealed', async () => {
    const persistTo = await mkdtemp(join(dir, 'sealed-'))
    const keys: unknown[] = []
    for (const _ of [1, 2]) {
      const stack = await startStack({ wranglerConfig: config, sandbox: false, persistTo })
      try {
        const { TUNEGATE_ENCRYPTION_KEY } = (await (await fetch(stack.url)).json()) as Record<string, string>
        keys.push(TUNEGATE_ENCRYPTION_KEY)
      } finally {
        await stack.stop()
      }
    }
    expect(keys[0]).toBeTypeOf('string')
    expect(keys[1]).toBe(keys[0])
  })

  it('refuses a port that is taken', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    try {
      await expect(startStack({ port, wranglerConfig: config })).rejects.toThrow(new PortInUseError(port))
    } finally {
      server.close()
    }
  })

  it('shows what wrangler said if the gateway cannot start', async () => {
    const broken = join(dir, 'broken.toml')
    await writeFile(broken, 'name = "broken"\nmain = "missing.js"\ncompatibility_date = "2026-10-01"\n')
    const start = startStack({ wranglerConfig: broken, sandbox: false })
    await expect(start).rejects.toThrow(WranglerError)
    await expect(start).rejects.toThrow(/missing\.js.*was not found/)
  })

  it.each(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)(
    'leaves nothing behind when its process gets %s',
    async signal => {
      const temporary = await mkdtemp(join(dir, 'tmp-'))
      const script = `
      const { startStack } = await import(${JSON.stringify(new URL('../../sandbox/stack.ts', import.meta.url).href)})
      const stack = await startStack({ wranglerConfig: ${JSON.stringify(config)}, sandbox: false })
      console.log(stack.url + ' ' + stack.pid)
      setInterval(() => {}, 1000)`
      const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { ...process.env, TMPDIR: temporary },
      })
      const [url = '', pid = ''] = (await firstLine(parent)).split(' ')
      expect(await answers(url)).toBe(true)
      parent.kill(signal)
      expect(await untilSilent(url)).toBe(true)
      if (existsSync('/proc')) expect(await untilGroupGone(Number(pid))).toBe(true)
      expect(await readdir(temporary)).toEqual([])
    },
  )
})

describe('npm run dev', { timeout: 30_000 }, () => {
  const dev = fileURLToPath(new URL('../../sandbox/dev.ts', import.meta.url))

  async function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    const child = spawn(process.execPath, [dev, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    const output = { stdout: '', stderr: '' }
    child.stdout.on('data', chunk => (output.stdout += chunk))
    child.stderr.on('data', chunk => (output.stderr += chunk))
    const [code] = await once(child, 'close')
    return { code, ...output }
  }

  it.each([
    { args: ['--port', 'abc'], says: '--port takes a whole number' },
    { args: ['--port', '65536'], says: '--port takes a whole number' },
    { args: ['--port', '-1'], says: '--port' },
    { args: ['--prot', '1'], says: '--prot' },
    { args: ['--platform', 'x'], says: '--platform takes cloudflare or aws' },
    { args: ['8787'], says: '8787' },
  ])('refuses $args with exit code 2', async ({ args, says }) => {
    const { code, stdout, stderr } = await run(...args)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain(says)
    expect(stderr).not.toContain('    at ')
  })

  it('refuses a port that is taken with exit code 2', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const { code, stderr } = await run('--port', String(port))
    server.close()
    expect(code).toBe(2)
    expect(stderr).toContain(`port ${port} is already in use`)
  })

  it.each(['cloudflare', 'aws'])(
    'prints one line with a key that works, and ends with exit code 0 on SIGTERM: %s',
    async platform => {
      const state = await mkdtemp(join(dir, 'state-'))
      const child = spawn(process.execPath, [dev, '--port', '0', '--state', state, '--platform', platform], {
        stdio: ['ignore', 'pipe', 'ignore'],
      })
      let stdout = ''
      child.stdout.on('data', chunk => {
        stdout += chunk
      })
      const [, url = '', key = ''] = /^ready (\S+) key (\S+)$/.exec(await firstLine(child)) ?? []
      const models = await fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${key}` } })
      expect(models.status).toBe(200)
      child.kill('SIGTERM')
      const [code] = await once(child, 'close')
      expect(code).toBe(0)
      expect(stdout).toBe(`ready ${url} key ${key}\n`)
      expect(await answers(url)).toBe(false)
    },
  )

  it('notices that npm is gone, whose SIGTERM never reaches it', async () => {
    const state = await mkdtemp(join(dir, 'state-'))
    // Like npm: a shell between, that does not pass signals on. The second command keeps it from becoming node itself.
    const command = `"${process.execPath}" "${dev}" --port 0 --state "${state}"; true`
    const shell = spawn('sh', ['-c', command], {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, npm_lifecycle_event: 'dev' },
    })
    const [, url = ''] = /^ready (\S+)/.exec(await firstLine(shell)) ?? []
    expect(await answers(url)).toBe(true)
    shell.kill('SIGTERM')
    expect(await untilSilent(url)).toBe(true)
  })

  it('explains itself', async () => {
    const { code, stdout } = await run('--help')
    expect(code).toBe(0)
    expect(stdout).toContain('Usage: npm run dev')
  })
})

async function firstLine(child: ChildProcess): Promise<string> {
  if (!child.stdout) return ''
  for await (const line of createInterface({ input: child.stdout })) return line
  return ''
}

/** Whether no process of the group runs any more; those that merely wait to be reaped do not count. */
async function untilGroupGone(group: number): Promise<boolean> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const pids = (await readdir('/proc')).filter(name => /^\d+$/.test(name))
    const stats = await Promise.all(pids.map(pid => readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')))
    const alive = stats.some(stat => {
      // pid (command) state ppid pgrp …
      const [state, , pgrp] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      return Number(pgrp) === group && state !== 'Z'
    })
    if (!alive) return true
    await sleep(50)
  }
  return false
}
