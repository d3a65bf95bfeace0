/** OpenAI's chat completions: the canonical form itself, so bodies pass as they are. */
import type { Provider } from '../provider.ts'
import { urlOf } from './url.ts'

export const chat: Provider['chat'] = {
  request: (settings, body) => ({
    method: 'POST',
    url: urlOf(settings, ['chat', 'completions']),
    headers: { 'content-type': 'application/json' },
    body,
    // The official clients repeat a completion themselves; twice repeated is paid twice.
    repeat: 'never',
  }),
}
