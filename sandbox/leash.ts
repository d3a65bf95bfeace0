/**
 * Runs one command and keeps it tied to the process that asked for it.
 *
 * `node sandbox/leash.ts SCRATCH SCRIPT ARGS…` runs `node SCRIPT ARGS…` and ends with its exit code. The asker holds the
 * other end of our stdin. When that end closes, for whatever reason, the whole process group dies and the directory
 * SCRATCH is removed: a parent that gets SIGKILL cannot clean up, but the kernel always closes its pipes.
 *
 * Start it `detached`: it must lead a process group of its own (`wrangler dev` starts esbuild and two workerd).
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'

/** How long the group may take to end by itself once the asker is gone. */
const GRACE_MS = 1_000

const [scratch = '', ...command] = process.argv.slice(2)
const child = spawn(process.execPath, command, { stdio: ['ignore', 'inherit', 'inherit'] })
let abandoned = false

child.on('error', error => {
  process.stderr.write(`${error.message}\n`)
  process.exit(1)
})
child.on('exit', code => {
  if (abandoned) finish()
  process.exit(code ?? 1)
})

// A polite SIGTERM to the group is for the child; we leave when it has left.
process.on('SIGTERM', () => {})
process.on('SIGINT', () => {})

// 'close' comes after 'end' and after an error alike.
process.stdin
  .on('error', () => {})
  .on('close', abandon)
  .resume()

function abandon(): void {
  abandoned = true
  process.kill(-process.pid, 'SIGTERM')
  setTimeout(finish, GRACE_MS)
}

function finish(): void {
  try {
    rmSync(scratch, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
  } finally {
    // The last act: we are in the group ourselves.
    process.kill(-process.pid, 'SIGKILL')
  }
}
