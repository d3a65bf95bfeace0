/**
 * The CloudFormation template as a deployment would send it, and how to read it.
 * @module
 */
import { execFile } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { bundle, writeEdge } from '../../esbuild.config.ts'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const SERVERLESS = join(ROOT, 'node_modules/serverless/bin/serverless.js')

export interface Statement {
  Sid?: string
  Effect: 'Allow' | 'Deny'
  Action: string | string[]
  Resource: unknown
  Condition?: Record<string, Record<string, unknown>>
}
export interface Resource {
  Type: string
  Properties: Record<string, unknown>
  DeletionPolicy?: string
  UpdateReplacePolicy?: string
  Condition?: string
  DependsOn?: string[]
}
export interface Template {
  Resources: Record<string, Resource>
  Outputs: Record<string, { Value: unknown }>
  Conditions: Record<string, unknown>
}

export interface Package {
  template: Template
  /** The bundle's directory. */
  bundle: string
  /** What would be uploaded. */
  archive: string
  remove(): Promise<void>
}

/** No account, no region, no proxy of the machine's own: what is packaged follows from the project alone. */
const environment = (): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('AWS_'))),
  AWS_EC2_METADATA_DISABLED: 'true',
  SLS_NOTIFICATIONS_MODE: 'off',
})

export interface PackageOptions {
  params?: Record<string, string>
  /** `empty`: a module with nothing in it, for who only reads the template. */
  code: 'bundle' | 'empty'
}

/** Packages in a directory of its own, as `npm run package:aws` does in place. */
export const packageStack = async ({ params = {}, code }: PackageOptions): Promise<Package> => {
  const directory = await mkdtemp(join(tmpdir(), 'tunegate-stack-'))
  const built = join(directory, 'dist/aws')
  await mkdir(built, { recursive: true })
  if (code === 'bundle') await bundle(undefined, built)
  else {
    await writeEdge(built)
    await writeFile(join(built, 'lambda.mjs'), '')
  }
  await copyFile(join(ROOT, 'serverless.yml'), join(directory, 'serverless.yml'))
  const given = Object.entries(params).flatMap(([name, value]) => ['--param', `${name}=${value}`])
  const args = [SERVERLESS, 'package', '--package', 'out', ...given]
  await promisify(execFile)(process.execPath, args, { cwd: directory, env: environment() }).catch(error => {
    // It says on standard output what is wrong.
    throw new Error(`serverless package failed:\n${error.stdout}`)
  })
  const out = join(directory, 'out')
  return {
    template: JSON.parse(await readFile(join(out, 'cloudformation-template-update-stack.json'), 'utf8')),
    bundle: built,
    archive: join(out, 'tunegate.zip'),
    remove: () => rm(directory, { recursive: true }),
  }
}

/** The names in a ZIP archive, out of its central directory (APPNOTE.TXT, 4.3.12). */
export const entriesOf = async (archive: string): Promise<string[]> => {
  const bytes = await readFile(archive)
  const HEADER = Buffer.from('PK\x01\x02')
  const names: string[] = []
  for (let at = bytes.indexOf(HEADER); at !== -1; at = bytes.indexOf(HEADER, at + 46))
    names.push(bytes.toString('utf8', at + 46, at + 46 + bytes.readUInt16LE(at + 28)))
  return names
}

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A value with its references as text: `{Records.Arn}`. */
export const toText = (value: unknown): string => {
  if (!isRecord(value)) return String(value)
  const [[verb, operand] = []] = Object.entries(value)
  if (verb === 'Ref') return `{${operand}}`
  if (verb === 'Fn::Sub') return String(operand).replaceAll('${', '{')
  if (verb === 'Fn::GetAtt' && Array.isArray(operand)) return `{${operand.join('.')}}`
  if (verb === 'Fn::If' && Array.isArray(operand)) {
    const [condition, yes, no] = operand
    return `${condition} ? ${toText(yes)} : ${toText(no)}`
  }
  return JSON.stringify(value)
}

/** The other way: `{Records.Arn}/*` as the template has it. */
export const toSub = (text: string) => ({ 'Fn::Sub': text.replaceAll('{', '${') })

export const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : [value])

/** What a role may do, statement by statement. */
export const statementsOf = ({ Resources }: Template, role: string): Statement[] =>
  listOf(Resources[role]?.Properties.Policies).flatMap(policy => {
    const document = isRecord(policy) && isRecord(policy.PolicyDocument) ? policy.PolicyDocument : {}
    return listOf(document.Statement) as Statement[]
  })

/** The names of the resources of a type. */
export const namesOf = ({ Resources }: Template, type: string): string[] =>
  Object.keys(Resources).filter(name => Resources[name]?.Type === type)
