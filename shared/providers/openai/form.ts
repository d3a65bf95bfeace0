/** `multipart/form-data` around bytes of known length. */

const encoder = new TextEncoder()
/** Quotes and line ends cannot stand in a quoted file name (WHATWG form encoding). */
const quoted = (name: string) => name.replace(/["\r\n]/g, char => encodeURIComponent(char))

/** What stands before and after the bytes of a form's one file. */
export const formAround = (
  fields: Record<string, string>,
  file: { field: string; name: string; type: string },
  boundary: string,
) => ({
  head: encoder.encode(
    Object.entries(fields)
      .map(
        ([name, value]) =>
          `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
      )
      .join('') +
      `--${boundary}\r\nContent-Disposition: form-data; name="${file.field}"; filename="${quoted(file.name)}"\r\n` +
      `Content-Type: ${file.type}\r\n\r\n`,
  ),
  tail: encoder.encode(`\r\n--${boundary}--\r\n`),
})
