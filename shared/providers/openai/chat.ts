/** OpenAI's chat completions: the canonical form itself, so bodies pass as they are, byte for byte. */
import { askFor, type ChatRequest, type Provider, type ProviderRequest, type Settings } from '../provider.ts'
import { authorise } from './auth.ts'
import { urlOf } from './url.ts'

/** Made once for a connection's settings, which live as long as their cache: a URL costs more than all else here. */
const urls = new WeakMap<Settings, URL>()
const chatUrl = (settings: Settings): URL => {
  const known = urls.get(settings) ?? urlOf(settings, ['chat', 'completions'])
  urls.set(settings, known)
  return known
}

export const toRequest = (settings: Settings, { text }: Pick<ChatRequest, 'text'>): ProviderRequest => ({
  method: 'POST',
  url: chatUrl(settings),
  headers: { 'content-type': 'application/json' },
  body: text,
  // The official clients repeat a completion themselves; twice repeated is paid twice.
  repeat: 'never',
  endsWithRequest: true,
})

/** Chat with whoever takes OpenAI's bodies and answers in its shape. */
export const chatOver = (
  toOutgoing: (settings: Settings, request: ChatRequest) => ProviderRequest,
): Provider['chat'] => ({
  async complete(channel, request) {
    return askFor(request.body, channel, toOutgoing(channel.settings, request))
  },
})

export const chat: Provider['chat'] = {
  ...chatOver(toRequest),
  direct(settings) {
    const { headers, ...request } = toRequest(settings, { text: '' })
    return { ...request, headers: { ...headers, ...authorise(settings) } }
  },
}
