/** Chat as Azure serves it: by deployment, and with its content filter's opinion. */
import type { Handler } from 'hono'
import { readJson } from '../openai/body.ts'
import { type ChatService, chatHandler } from '../openai/chat.ts'
import type { Extras } from '../openai/completion.ts'
import { isRecord } from '../openai/jsonl.ts'
import type { Callable } from '../openai/models.ts'
import type { Streams } from '../streams.ts'
import type { Account } from './account.ts'
import { AzureError } from './errors.ts'

const SAFE = Object.fromEntries(
  ['hate', 'self_harm', 'sexual', 'violence'].map(category => [
    category,
    { filtered: false, severity: 'safe' },
  ]),
)
const UNDETECTED = { filtered: false, detected: false }

const FILTER_RESULTS: Extras = {
  completion: {
    prompt_filter_results: [{ prompt_index: 0, content_filter_results: { ...SAFE, jailbreak: UNDETECTED } }],
  },
  choice: { content_filter_results: { ...SAFE, protected_material_text: UNDETECTED } },
}

function deployed({ deployments }: Account, name: string): Callable {
  const found = deployments.callable(name)
  if (found) return found
  throw new AzureError(
    404,
    `There is no deployment '${name}' in this resource, or it is not ready yet; a new one may take minutes.`,
    { code: 'DeploymentNotFound' },
  )
}

/** The v1 surface: `model` names the deployment. */
export function v1Chat(account: Account, streams: Streams): Handler {
  return chatHandler({ streams, extras: FILTER_RESULTS, find: ({ model }) => deployed(account, model) })
}

/** The dated surface: the path names the deployment, and `model` means nothing. */
export function datedChat(account: Account, streams: Streams): Handler {
  const nameIn: (context: Parameters<ChatService['find']>[1]) => string = context =>
    context.req.param('deployment') ?? ''
  return chatHandler({
    streams,
    extras: FILTER_RESULTS,
    body: async context => {
      const body = await readJson(context)
      return isRecord(body) ? { model: nameIn(context), ...body } : body
    },
    find: (_request, context) => deployed(account, nameIn(context)),
  })
}
