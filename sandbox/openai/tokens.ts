/**
 * The sandbox's token counter: simple, and the same for training, usage and cut-offs. A token is a run of up to eight
 * letters or digits, or one other character, together with the white space before it. On top come three tokens for
 * each message. Joined, the tokens are the text again.
 */
const TOKEN = /\s*(?:[\p{L}\p{N}]{1,8}|[^\s\p{L}\p{N}])|\s+$/gu

const PER_MESSAGE = 3

export function tokenize(text: string): string[] {
  return text.match(TOKEN) ?? []
}

export function countTokens(text: string): number {
  return tokenize(text).length
}

/** Tokens of a list of messages, given the texts in each. */
export function countMessageTokens(messages: readonly (readonly string[])[]): number {
  return messages.reduce(
    (sum, texts) => texts.reduce((inner, text) => inner + countTokens(text), sum + PER_MESSAGE),
    0,
  )
}
