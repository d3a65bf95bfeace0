/**
 * Which job of ours a provider's job is.
 * @module
 */
import type { Context } from '../context.ts'
import { type JobRecord, NATIVES } from './records.ts'

/** Remembers which job of ours a provider's is. Doing it again changes nothing. */
export const indexNative = (context: Context, { id, provider }: JobRecord, nativeId: string): Promise<void> =>
  NATIVES.putAll(context.platform.store, [{ provider, native_id: nativeId, job: id }])
