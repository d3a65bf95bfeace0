/** Runs the sandbox on its own: `node sandbox/main.ts [--port 8788] [--step-ms 20] [--api-key sk-…] [--quiet]`. */
import { parseArgs } from 'node:util'
import { startSandbox } from './server.ts'

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '8788' },
    'step-ms': { type: 'string', default: '0' },
    'api-key': { type: 'string', default: 'sk-sandbox' },
    quiet: { type: 'boolean', default: false },
  },
})

const sandbox = await startSandbox({
  port: Number(values.port),
  stepMs: Number(values['step-ms']),
  apiKey: values['api-key'],
  log: !values.quiet,
})
process.stdout.write(`Sandbox: OPENAI_BASE_URL=${sandbox.openaiBaseUrl} OPENAI_API_KEY=${sandbox.apiKey}\n`)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void sandbox.close())
