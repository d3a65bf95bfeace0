/** OpenAI's authorisation: a Bearer key, and optionally the organization and project it acts for. */
import type { Settings } from '../provider.ts'

export const authorise = ({ apiKey, organization, project }: Settings): Record<string, string> => ({
  authorization: `Bearer ${apiKey}`,
  ...(organization && { 'openai-organization': organization }),
  ...(project && { 'openai-project': project }),
})
