/**
 * Since when, and until when, models have been deployed: what is billed by the hour. Pure; what it costs is reckoned elsewhere.
 * @module
 */
import type { ModelDeployment, ModelRecord } from './records.ts'

/** One deployment's life as far as it has not been entered in the ledger. Unix seconds. */
export interface HostingPeriod {
  deployment: string
  /** Since when it has been asked for. */
  since: number
  /** Null while it is there. */
  until: number | null
  /** Whether it has ever been seen ready: one that fails before is billed by no one. */
  was_ready: boolean
  /** What is before this is entered and does not change any more. */
  accounted_until: number
}

const isOpen = ({ until }: HostingPeriod) => until === null

const closed = (period: HostingPeriod, now: number): HostingPeriod =>
  isOpen(period) ? { ...period, until: now } : period

/** What has never come up is billed by no one; what was not looked at in time may have. */
const failed = (period: HostingPeriod, now: number): HostingPeriod[] =>
  isOpen(period) && !period.was_ready ? [] : [closed(period, now)]

const opened = ({ id, created_at, status }: ModelDeployment): HostingPeriod => ({
  deployment: id,
  since: created_at,
  until: null,
  was_ready: status === 'ready',
  accounted_until: created_at,
})

/** The periods of a model whose deployment is now this one, or none. */
export const hostedBy = (
  { hosting = [] }: Pick<ModelRecord, 'hosting'>,
  deployment: ModelDeployment | null,
  now: number,
): HostingPeriod[] => {
  if (deployment === null) return hosting.map(period => closed(period, now))
  if (deployment.status === 'failed') return hosting.flatMap(period => failed(period, now))
  const isSame = (period: HostingPeriod) => isOpen(period) && period.deployment === deployment.id
  const kept = hosting.map(period =>
    isSame(period)
      ? { ...period, was_ready: period.was_ready || deployment.status === 'ready' }
      : closed(period, now),
  )
  return kept.some(isSame) ? kept : [...kept, opened(deployment)]
}

const isPeriod = (a: HostingPeriod, b: HostingPeriod) => a.deployment === b.deployment && a.since === b.since

/** The periods after one has been entered as it was found; one that is over is needed no more. */
export const entered = (
  { hosting = [] }: Pick<ModelRecord, 'hosting'>,
  found: HostingPeriod,
  accountedUntil: number,
): HostingPeriod[] =>
  hosting.flatMap(period => {
    if (!isPeriod(period, found)) return [period]
    const accounted_until = Math.max(period.accounted_until, accountedUntil)
    return period.until !== null && accounted_until >= period.until ? [] : [{ ...period, accounted_until }]
  })
