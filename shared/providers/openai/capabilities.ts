/** What OpenAI tunes. Dates: its deprecations page, announcements of 2026-05-07 and 2026-10-14. */
import type { Capabilities } from '../provider.ts'

const LAST_DAY_FOR_JOBS = '2027-01-06'
const LAST_DAY_SERVED = '2027-01-14'

export const capabilities: Capabilities = {
  source: 'https://developers.openai.com/api/docs/deprecations',
  asOf: '2026-11-20',
  // In parts; in one request up to 512 MB. https://platform.openai.com/docs/api-reference/uploads
  maxFileBytes: 8 * 1024 * 1024 * 1024,
  maxMetadataPairs: 16,
  models: [
    ...['gpt-4.1-2025-04-14', 'gpt-4.1-mini-2025-04-14', 'gpt-4o-2024-08-06', 'gpt-4o-mini-2024-07-18'].map(
      name =>
        ({
          names: [name, name.replace(/-\d{4}-\d{2}-\d{2}$/, '')],
          methods: ['supervised', 'dpo'],
          trainableUntil: LAST_DAY_FOR_JOBS,
          servedUntil: LAST_DAY_SERVED,
        }) as const,
    ),
    {
      names: ['gpt-4.1-nano-2025-04-14', 'gpt-4.1-nano'],
      methods: ['supervised', 'dpo'],
      trainableUntil: '2026-10-23',
      servedUntil: '2026-10-23',
    },
    {
      names: ['o4-mini-2025-04-16', 'o4-mini'],
      methods: ['reinforcement'],
      trainableUntil: '2026-10-23',
      servedUntil: '2026-10-23',
    },
  ],
}
