/** The template against AWS's own specification of its resources: a name misspelt is refused by AWS only when it is deployed. */
import { loadAwsServiceSpec } from '@aws-cdk/aws-service-spec'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isRecord, type Package, packageStack } from './template.ts'

type Specification = Awaited<ReturnType<typeof loadAwsServiceSpec>>
type Properties = ReturnType<Specification['all']>[number] extends infer Entity
  ? Extract<Entity, { properties: unknown }>['properties']
  : never
type PropertyType = Properties[string]['type']

let specification: Specification
let made: Package
beforeAll(async () => {
  specification = await loadAwsServiceSpec()
  made = await packageStack({ code: 'empty' })
})
afterAll(() => made.remove())

const resourceOf = (type: string) =>
  specification.lookup('resource', 'cloudFormationType', 'equals', type).at(0)

const isReference = (value: unknown) =>
  isRecord(value) && Object.keys(value).some(key => key === 'Ref' || key.startsWith('Fn::'))

/** Whether a scalar can stand for one of a type; CloudFormation takes a number's or a boolean's text for itself. */
const SCALARS: Record<string, (value: unknown) => boolean> = {
  string: value => ['string', 'number', 'boolean'].includes(typeof value),
  number: value => Number.isFinite(Number(value)),
  integer: value => Number.isInteger(Number(value)),
  boolean: value => value === true || value === false || value === 'true' || value === 'false',
}

/** What is wrong with a value, each with its path. */
const faultsOf = (value: unknown, type: PropertyType, path: string): string[] => {
  if (isRecord(value) && Array.isArray(value['Fn::If']))
    return value['Fn::If'].slice(1).flatMap(branch => faultsOf(branch, type, path))
  if (isReference(value)) return []
  const isScalar = SCALARS[type.type]
  if (isScalar) return isScalar(value) ? [] : [`${path} is no ${type.type}`]
  switch (type.type) {
    case 'array':
      if (!Array.isArray(value)) return [`${path} is no list`]
      return value.flatMap((item, index) => faultsOf(item, type.element, `${path}[${index}]`))
    case 'map':
      if (!isRecord(value)) return [`${path} is no map`]
      return Object.entries(value).flatMap(([key, item]) => faultsOf(item, type.element, `${path}.${key}`))
    case 'ref':
      return objectFaults(value, specification.get('typeDefinition', type.reference.$ref).properties, path)
    case 'union': {
      const all = type.types.map(one => faultsOf(value, one, path))
      return all.find(faults => faults.length === 0) ?? all[0] ?? []
    }
    default:
      // JSON of any form: a policy, a pattern of events.
      return []
  }
}

const objectFaults = (value: unknown, properties: Properties, path: string): string[] => {
  if (!isRecord(value)) return [`${path} is no object`]
  const missing = Object.entries(properties)
    .filter(([name, { required }]) => required === true && !(name in value))
    .map(([name]) => `${path}.${name} is missing`)
  const wrong = Object.entries(value).flatMap(([name, item]) => {
    const property = properties[name]
    return property ? faultsOf(item, property.type, `${path}.${name}`) : [`${path}.${name} is unknown`]
  })
  return [...missing, ...wrong]
}

/** Every `Fn::GetAtt` in a value. */
const attributesIn = (value: unknown): [resource: string, attribute: string][] => {
  if (Array.isArray(value)) return value.flatMap(attributesIn)
  if (!isRecord(value)) return []
  const found = value['Fn::GetAtt']
  if (Array.isArray(found)) return [[String(found[0]), found.slice(1).join('.')]]
  return Object.values(value).flatMap(attributesIn)
}

describe('AWS’s own specification of resources', () => {
  it('has every resource of the stack, with its properties and their types', () => {
    const faults = Object.entries(made.template.Resources).flatMap(([name, { Type, Properties }]) => {
      const resource = resourceOf(Type)
      return resource ? objectFaults(Properties, resource.properties, name) : [`${name} is of no known type`]
    })
    expect(faults).toEqual([])
  })

  it('has every attribute that another resource asks for', () => {
    const asked = attributesIn(made.template)
    expect(asked.length).toBeGreaterThan(20)
    const unknown = asked.filter(([name, attribute]) => {
      const { Type = '' } = made.template.Resources[name] ?? {}
      return !Object.hasOwn(resourceOf(Type)?.attributes ?? {}, attribute)
    })
    expect(unknown).toEqual([])
  })

  it('is one that finds a misspelt property', () => {
    const { properties = {} } = resourceOf('AWS::SQS::Queue') ?? {}
    expect(objectFaults({ VisibilityTimeOut: 5, DelaySeconds: 'soon' }, properties, 'Queue')).toEqual([
      'Queue.VisibilityTimeOut is unknown',
      'Queue.DelaySeconds is no integer',
    ])
  })
})
