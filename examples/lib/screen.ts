/** Standard output with one line at the bottom that can be redrawn, where there is a terminal. @module */
import { styleText } from 'node:util'

const { stdout } = process

/** Whether lines can be redrawn. */
export const live = stdout.isTTY === true
/** Width of the terminal. */
export const columns = (): number => stdout.columns || 100

let drawn = false

/** Prints a line above the live one. */
export function say(line = ''): void {
  erase()
  stdout.write(`${line}\n`)
}

/** Draws the live line anew. Without a terminal it does nothing: a log is no place for it. */
export function draw(line: string): void {
  if (!live) return
  erase()
  stdout.write(line)
  drawn = true
}

/** Takes the live line away. */
export function erase(): void {
  if (drawn) stdout.write('\r\u001b[K')
  drawn = false
}

/** Emphasis; plain text where colours are not wanted (no terminal, NO_COLOR). */
export const bold = (text: string): string => styleText('bold', text, { stream: stdout })
export const dim = (text: string): string => styleText('dim', text, { stream: stdout })
export const green = (text: string): string => styleText('green', text, { stream: stdout })
export const red = (text: string): string => styleText('red', text, { stream: stdout })
