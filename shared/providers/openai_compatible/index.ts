/**
 * Whatever speaks OpenAI's fine-tuning API under another base URL: Nebius Token Factory, Bedrock's mantle, a server of one's
 * own. What it tunes is not known here, so nothing is refused on its behalf.
 */
import { openai } from '../openai/index.ts'
import type { Provider } from '../provider.ts'

/** Servers of this kind rarely know uploads in parts: files go in one request. */
const { transfer: _, ...files } = openai.files

/** Nothing is known of limits; this only bounds what is read before the provider has its say (8 GiB). */
const MAX_FILE_BYTES = 8 * 1024 ** 3

export const openaiCompatible: Provider = {
  ...openai,
  id: 'openai_compatible',
  files,
  capabilities: {
    source: 'the provider itself',
    asOf: '2026-11-20',
    maxFileBytes: MAX_FILE_BYTES,
    maxMetadataPairs: 16,
    models: [],
  },
  fields: {
    ...openai.fields,
    apiKey: { name: 'OPENAI_COMPATIBLE_API_KEY', request: 'api_key', kind: 'credential' },
    baseUrl: { name: 'OPENAI_COMPATIBLE_BASE_URL', request: 'api_base', kind: 'place' },
  },
  missing: ({ apiKey, baseUrl }) => (baseUrl ? (apiKey ? undefined : 'apiKey') : 'baseUrl'),
}
