/**
 * The report on a dataset, for a provider and a model, without keeping any of it (`POST /v1/files/validate`).
 * @module
 */
import type { Context } from '../context.ts'
import {
  ApiError,
  badRequest,
  check,
  type DatasetReport,
  type Declaration,
  type ValidateFields,
  validateFields,
} from '../openai/index.ts'
import type { ChunkReader } from '../platform/index.ts'
import { countingFor } from './counting.ts'
import { createInspector, type Inspector, type InspectorOptions } from './inspector.ts'
import { type FormHandlers, readForm } from './multipart.ts'
import { openDataset } from './reference.ts'
import { type TargetWish, targetOf } from './target.ts'

const optionsOf = async (context: Context, wish: TargetWish): Promise<InspectorOptions> => {
  const target = targetOf(context, wish)
  return { target, counting: await countingFor(target) }
}

const inspect = async (body: ReadableStream<Uint8Array>, inspector: Inspector): Promise<Inspector> => {
  for await (const chunk of body) if (!inspector.write(chunk)) break
  return inspector
}

/** The report, with that of the validation file where one is named. */
const withValidation = async (
  context: Context,
  owner: string,
  inspector: Inspector,
  options: InspectorOptions,
  reference: string | null | undefined,
): Promise<DatasetReport> => {
  const report = inspector.end()
  if (reference == null) return report
  const { body } = await openDataset(context, owner, reference, 'validation_file')
  const other = createInspector({ ...options, declaration: {}, training: inspector.fingerprints })
  const validation = (await inspect(body, other)).end()
  return { ...report, valid: report.valid && validation.valid, validation }
}

/** About a file the gateway can read. @throws {ApiError} 400 or 404 naming the field */
export const validateFile = async (
  context: Context,
  owner: string,
  request: TargetWish & Declaration & { file: string; validation_file?: string | null | undefined },
): Promise<DatasetReport> => {
  const { file, validation_file, format, columns } = request
  const options = await optionsOf(context, request)
  const { body } = await openDataset(context, owner, file, 'file')
  const inspector = createInspector({ ...options, declaration: { format, columns } })
  await inspect(body, inspector)
  return withValidation(context, owner, inspector, options, validation_file)
}

const tooLarge = (most: number) =>
  new ApiError({
    status: 413,
    code: 'body_too_large',
    param: 'file',
    message: `The file is too large: this gateway takes up to ${most} bytes.`,
  })

const readAll = async (chunks: ChunkReader, inspector: Inspector, most: number): Promise<void> => {
  let size = 0
  for (let spent: Uint8Array | undefined; ; ) {
    const chunk = await chunks.next(spent)
    if (!chunk) return
    size += chunk.length
    if (size > most) {
      await chunks.cancel()
      throw tooLarge(most)
    }
    inspector.write(chunk)
    spent = chunk
  }
}

/** About the body itself. @param fields of the query */
export const validateBody = async (
  context: Context,
  owner: string,
  body: ReadableStream<Uint8Array> | null,
  fields: ValidateFields,
): Promise<DatasetReport> => {
  if (!body) throw badRequest('file', 'The body is empty.', 'missing_required_parameter')
  const options = await optionsOf(context, fields)
  const { format, columns, validation_file } = fields
  const inspector = createInspector({ ...options, declaration: { format, columns } })
  await readAll(context.platform.chunks(body), inspector, context.config.limits.file)
  return withValidation(context, owner, inspector, options, validation_file)
}

/** About a form's file. What the report depends on comes before it: the bytes pass by only once. */
export const validateForm = async (
  context: Context,
  owner: string,
  request: Request,
): Promise<DatasetReport> => {
  const fields: Record<string, string> = {}
  let state: { inspector: Inspector; options: InspectorOptions } | undefined
  let hasFile = false
  const start = async () => {
    const { format, columns, ...wish } = check(validateFields, fields)
    const options = await optionsOf(context, wish)
    return { options, inspector: createInspector({ ...options, declaration: { format, columns } }) }
  }
  const handlers: FormHandlers = {
    onField(name, value) {
      if (hasFile && name !== 'validation_file' && name !== 'purpose')
        throw badRequest(name, `'${name}' must come before the file.`)
      if (name !== 'purpose') fields[name] = value
    },
    onFile(name) {
      if (name !== 'file')
        throw badRequest(
          name,
          `Unknown file '${name}': the file belongs into the part 'file'.`,
          'unknown_parameter',
        )
      hasFile = true
    },
    async onFileBytes(bytes) {
      state ??= await start()
      state.inspector.write(bytes)
    },
  }
  await readForm(request, context.config.limits.file, handlers, context.platform.chunks)
  if (!hasFile) throw badRequest('file', "Missing required parameter: 'file'.", 'missing_required_parameter')
  const { inspector, options } = state ?? (await start())
  return withValidation(context, owner, inspector, options, fields.validation_file)
}
