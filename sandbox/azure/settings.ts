/** What a test can change about Azure while it runs. */
import * as z from 'zod'

export const azureSettings = z.strictObject({
  /** How often a new file must be looked at before it is processed; 0 = at once. */
  filePolls: z.int().min(0).optional(),
  /** How often a new deployment must be looked at before it has succeeded; 0 = at once. */
  deploymentPolls: z.int().min(0).optional(),
  /** Seconds that new access tokens live; 0 or less = they come expired. */
  tokenSeconds: z.int().optional(),
})

export type AzureSettings = Required<z.infer<typeof azureSettings>>

export const DEFAULT_SETTINGS: AzureSettings = { filePolls: 2, deploymentPolls: 2, tokenSeconds: 3599 }
