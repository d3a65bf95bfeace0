/**
 * Server-sent events as Google sends them: one JSON object an event, line ends of any kind, no mark of the end. An error in
 * the middle comes as a bare JSON object over several lines, or as an event.
 * @module
 */

export interface EventReader {
  /** JSON texts of the events that are complete with these bytes. */
  push(bytes: Uint8Array): string[]
  /** What is left when the stream has ended; `bare` is text that was no event. */
  end(): { events: string[]; bare: string }
}

/** Characters of a text that is no event; an error object is shorter. */
const LONGEST_BARE = 64 * 1024
const DATA = 'data:'
/** The other fields of an event, and comments (WHATWG). */
const OTHER_FIELD = /^(?::|event:|id:|retry:)/

/** Cuts bytes into events, wherever the pieces are cut themselves. */
export const createEventReader = (): EventReader => {
  const decoder = new TextDecoder()
  let rest = ''
  let data = ''
  let bare = ''

  const line = (text: string, events: string[]): void => {
    if (bare !== '') {
      if (bare.length < LONGEST_BARE) bare += `${text}\n`
    } else if (text === '') {
      if (data !== '') events.push(data)
      data = ''
    } else if (text.startsWith(DATA)) {
      const value =
        text.charCodeAt(DATA.length) === 0x20 ? text.slice(DATA.length + 1) : text.slice(DATA.length)
      data = data === '' ? value : `${data}\n${value}`
    } else if (!OTHER_FIELD.test(text)) bare = `${text}\n`
  }

  /** Takes whole lines; a carriage return at the very end may have its line feed still to come. */
  const lines = (text: string, isLast: boolean): string[] => {
    const events: string[] = []
    const all = rest === '' ? text : rest + text
    let start = 0
    // Looked for again only once they are passed: a text without one of them is searched for it once.
    let feed = all.indexOf('\n')
    let back = all.indexOf('\r')
    while (feed >= 0 || back >= 0) {
      const isBack = back >= 0 && (feed < 0 || back < feed)
      if (isBack && back === all.length - 1 && !isLast) break
      line(all.slice(start, isBack ? back : feed), events)
      start = isBack ? back + (feed === back + 1 ? 2 : 1) : feed + 1
      if (feed >= 0 && feed < start) feed = all.indexOf('\n', start)
      if (back >= 0 && back < start) back = all.indexOf('\r', start)
    }
    rest = all.slice(start)
    return events
  }

  return {
    push: bytes => lines(decoder.decode(bytes, { stream: true }), false),
    end: () => {
      const events = lines(decoder.decode(), true)
      if (rest !== '') line(rest, events)
      // An event without its blank line may have been cut: it does not count, unless it is whole JSON, which its reader sees.
      if (data !== '') events.push(data)
      return { events, bare }
    },
  }
}
