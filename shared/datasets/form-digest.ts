/**
 * What a form says, in a digest: fields and file, but not the boundary between them, which differs each time a form is sent.
 * @module
 */
import { createHash } from 'node:crypto'
import type { Context } from '../context.ts'
import { type FormHandlers, readForm } from './multipart.ts'

export interface FormDigest extends FormHandlers {
  /** Hex. */
  end(): string
}

export const createFormDigest = (): FormDigest => {
  const said: unknown[] = []
  const content = createHash('sha256')
  return {
    onField: (name, value) => void said.push([name, value]),
    onFile: (name, filename) => void said.push([name, filename, 'file']),
    async onFileBytes(bytes) {
      content.update(bytes)
    },
    end: () =>
      createHash('sha256')
        .update(JSON.stringify([said, content.digest('hex')]))
        .digest('hex'),
  }
}

/** The same form, of which something else takes note as it passes. */
export const alsoTo = (note: FormHandlers | undefined, handlers: FormHandlers): FormHandlers =>
  note === undefined
    ? handlers
    : {
        onField(name, value) {
          note.onField(name, value)
          handlers.onField(name, value)
        },
        onFile(name, filename) {
          note.onFile(name, filename)
          handlers.onFile(name, filename)
        },
        async onFileBytes(bytes) {
          await note.onFileBytes(bytes)
          await handlers.onFileBytes(bytes)
        },
      }

/** Reads a form for its digest alone. */
export const digestForm = async ({ config, platform }: Context, request: Request): Promise<string> => {
  const digest = createFormDigest()
  await readForm(request, config.limits.file, digest, platform.chunks)
  return digest.end()
}
