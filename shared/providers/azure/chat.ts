/** Azure's chat completions: OpenAI's, asked of a deployment. Azure's additional fields stay in the answers. */
import { chatOver, toRequest as toOpenAI } from '../openai/chat.ts'
import { urlOf } from '../openai/url.ts'
import type { ChatRequest, ProviderRequest, Settings } from '../provider.ts'
import { isDated, surfaceOf } from './url.ts'

export const toRequest = (
  settings: Settings,
  request: Pick<ChatRequest, 'text'> & { body: Pick<ChatRequest['body'], 'model'> },
): ProviderRequest => {
  const surface = surfaceOf(settings)
  const outgoing = toOpenAI(surface, request)
  if (!isDated(settings)) return outgoing
  // v1 takes the deployment's name from the body, the dated surface from the path.
  const url = urlOf(surface, ['deployments', request.body.model, 'chat', 'completions'])
  return { ...outgoing, url }
}

export const chat = chatOver(toRequest)
