/** What a completion was answered without, told in a header: an answer in OpenAI's shape has no place for it. */

/** Stands on an answer to a request of which the model did not get all. */
export const DROPPED_HEADER = 'x-tunegate-dropped-params'

/** Names in one header; a body can hold any number of them. */
const MOST_NAMED = 50
/** Characters. No field of OpenAI's is longer. */
const LONGEST_NAME = 64

/** A name as a header can hold it. Which of many messages it was is left out. */
const toToken = (name: string): string =>
  encodeURI(
    name
      .replace(/\[\d+\]/g, '[]')
      .slice(0, LONGEST_NAME)
      .toWellFormed(),
  )
    .replace(/,/g, '%2C')
    .replace(/%5B%5D/g, '[]')

/** Each field once, as `logprobs, messages[].name`; if there are too many, how many more. */
export const droppedList = (names: readonly string[]): string => {
  const tokens = [...new Set(names.map(toToken))]
  const rest = tokens.length - MOST_NAMED
  return [...tokens.slice(0, MOST_NAMED), ...(rest > 0 ? [`+${rest}`] : [])].join(', ')
}
