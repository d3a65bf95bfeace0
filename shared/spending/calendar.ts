/**
 * Days and months of UTC.
 * @module
 */

export const DAY = 86_400

const isoOf = (seconds: number) => new Date(seconds * 1000).toISOString()

/** `YYYY-MM-DD`. @param seconds Unix time */
export const dayOf = (seconds: number): string => isoOf(seconds).slice(0, 10)
/** `YYYY-MM`. @param seconds Unix time */
export const monthOf = (seconds: number): string => isoOf(seconds).slice(0, 7)

/** Unix seconds of a day's or a month's first moment. @param date `YYYY-MM-DD` or `YYYY-MM` */
export const startOf = (date: string): number => Date.parse(date.length === 7 ? `${date}-01` : date) / 1000

/** Unix seconds at which a month is over. @param month `YYYY-MM` */
export const endOfMonth = (month: string): number => {
  const start = new Date(startOf(month) * 1000)
  return Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + 1) / 1000
}

/** A stretch of time, Unix seconds; its end is not part of it. */
export interface Span {
  from: number
  to: number
}

/** Where two stretches overlap; nothing where they do not. */
export const overlap = (a: Span, b: Span): Span => {
  const from = Math.max(a.from, b.from)
  return { from, to: Math.max(from, Math.min(a.to, b.to)) }
}

/** The days that a stretch touches, in order. */
export const daysOf = ({ from, to }: Span): string[] => {
  const days: string[] = []
  for (let at = startOf(dayOf(from)); at < to; at += DAY) days.push(dayOf(at))
  return days
}

/** The months that a stretch touches, in order. */
export const monthsOf = ({ from, to }: Span): string[] => {
  const months: string[] = []
  for (let at = from; at < to; at = endOfMonth(monthOf(at))) months.push(monthOf(at))
  return months
}
