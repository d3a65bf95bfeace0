/** What a deployment to AWS consists of: the template that `npm run package:aws` makes, without an account or a network. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { edgeCode } from '../../esbuild.config.ts'
import { tableNamed } from '../../sandbox/aws-platform/table.ts'
import { entriesOf, type Package, packageStack, type Template, toSub, toText } from './template.ts'

let made: Package
let template: Template
beforeAll(async () => {
  made = await packageStack({ code: 'bundle' })
  template = made.template
})
afterAll(() => made.remove())

const get = (name: string) => ({ 'Fn::GetAtt': name.split('.') })
const ref = (name: string) => ({ Ref: name })

/** What the local table is made of, on which the store's own tests run. */
const { TableName: _, ...TABLE } = tableNamed('')

/** Statuses whose answers CloudFront would keep for a while. */
const KEPT_ERRORS = [400, 403, 404, 405, 414, 500, 501, 502, 503, 504]

/** Each resource: its type, what keeps it when the stack goes, and the properties that matter. */
const RESOURCES: [name: string, type: string, properties: object][] = [
  [
    'Records',
    'AWS::DynamoDB::Table',
    {
      ...TABLE,
      PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
      TimeToLiveSpecification: { AttributeName: 'ttl', Enabled: true },
      SSESpecification: { SSEEnabled: true },
    },
  ],
  [
    'Objects',
    'AWS::S3::Bucket',
    {
      BucketEncryption: {
        ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }],
      },
      OwnershipControls: { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] },
      PublicAccessBlockConfiguration: {
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      },
      LifecycleConfiguration: {
        Rules: [{ Status: 'Enabled', AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 } }],
      },
      CorsConfiguration: { 'Fn::If': ['TakesFromPages', {}, ref('AWS::NoValue')] },
    },
  ],
  [
    'ObjectsPolicy',
    'AWS::S3::BucketPolicy',
    {
      Bucket: ref('Objects'),
      PolicyDocument: {
        Statement: [
          {
            Effect: 'Deny',
            Principal: '*',
            Action: 's3:*',
            Resource: [get('Objects.Arn'), toSub('{Objects.Arn}/*')],
            Condition: { Bool: { 'aws:SecureTransport': 'false' } },
          },
        ],
      },
    },
  ],
  [
    'Tasks',
    'AWS::SQS::Queue',
    {
      SqsManagedSseEnabled: true,
      RedrivePolicy: { deadLetterTargetArn: get('DeadTasks.Arn'), maxReceiveCount: 5 },
    },
  ],
  ['DeadTasks', 'AWS::SQS::Queue', { SqsManagedSseEnabled: true, MessageRetentionPeriod: 14 * 24 * 3600 }],
  [
    'Distribution',
    'AWS::CloudFront::Distribution',
    {
      DistributionConfig: {
        Enabled: true,
        Origins: [
          {
            DomainName: {
              'Fn::Select': [2, { 'Fn::Split': ['/', get('HttpLambdaFunctionUrl.FunctionUrl')] }],
            },
            CustomOriginConfig: { OriginProtocolPolicy: 'https-only', OriginReadTimeout: 120 },
          },
        ],
        CustomErrorResponses: KEPT_ERRORS.map(ErrorCode => ({ ErrorCode, ErrorCachingMinTTL: 0 })),
        DefaultCacheBehavior: {
          ViewerProtocolPolicy: 'https-only',
          CachePolicyId: '4135ea2d-6df8-44a3-9df3-4b5a84be39ad',
          OriginRequestPolicyId: 'b689b0a8-53d0-40ab-baf2-68738e2966ac',
          Compress: false,
          FunctionAssociations: [{ EventType: 'viewer-request', FunctionARN: get('Edge.FunctionARN') }],
        },
      },
    },
  ],
  [
    'Edge',
    'AWS::CloudFront::Function',
    {
      Name: toSub('tunegate-dev-{AWS::Region}-edge'),
      AutoPublish: true,
      FunctionConfig: { Runtime: 'cloudfront-js-2.0' },
    },
  ],
  ['HttpLambdaFunctionUrl', 'AWS::Lambda::Url', { InvokeMode: 'RESPONSE_STREAM', AuthType: 'NONE' }],
  [
    'HttpLambdaPermissionFnUrl',
    'AWS::Lambda::Permission',
    { Action: 'lambda:InvokeFunctionUrl', Principal: '*', FunctionUrlAuthType: 'NONE' },
  ],
  // Needed since October 2025; through the URL alone.
  [
    'HttpLambdaPermissionFn',
    'AWS::Lambda::Permission',
    { Action: 'lambda:InvokeFunction', Principal: '*', InvokedViaFunctionUrl: true },
  ],
  [
    'TasksEventSourceMappingSQSTasks',
    'AWS::Lambda::EventSourceMapping',
    {
      EventSourceArn: get('Tasks.Arn'),
      FunctionName: get('TasksLambdaFunction.Arn'),
      FunctionResponseTypes: ['ReportBatchItemFailures'],
      BatchSize: 10,
    },
  ],
  [
    'ScheduleEventsRuleSchedule1',
    'AWS::Events::Rule',
    {
      ScheduleExpression: 'rate(1 minute)',
      State: 'ENABLED',
      Targets: [{ Arn: get('ScheduleLambdaFunction.Arn') }],
    },
  ],
  [
    'TunegatedevjobEventsrule1EventBridgeRule',
    'AWS::Events::Rule',
    {
      EventPattern: { source: ['aws.bedrock'], 'detail-type': ['Model Customization Job State Change'] },
      State: 'ENABLED',
      Targets: [{ Arn: get('JobEventsLambdaFunction.Arn') }],
    },
  ],
  ['ScheduleLambdaEvConf', 'AWS::Lambda::EventInvokeConfig', { MaximumRetryAttempts: 0 }],
  [
    'DeadTasksAlarm',
    'AWS::CloudWatch::Alarm',
    {
      Namespace: 'AWS/SQS',
      MetricName: 'ApproximateNumberOfMessagesVisible',
      Dimensions: [{ Name: 'QueueName', Value: get('DeadTasks.QueueName') }],
      Threshold: 1,
    },
  ],
]

const FUNCTIONS: [name: string, seconds: number][] = [
  ['http', 900],
  ['schedule', 660],
  ['tasks', 660],
  ['jobEvents', 120],
]
const capital = (name: string) => name[0]?.toUpperCase() + name.slice(1)

describe('the stack on AWS', () => {
  it.each(RESOURCES)('has %s as it should be', (name, type, properties) => {
    const { Type, Properties } = template.Resources[name] ?? {}
    expect(Type).toBe(type)
    expect(Properties).toMatchObject(properties)
  })

  it.each(['Records', 'Objects'])('leaves %s behind when it is removed or changed', name => {
    const { DeletionPolicy, UpdateReplacePolicy } = template.Resources[name] ?? {}
    expect([DeletionPolicy, UpdateReplacePolicy]).toEqual(['RetainExceptOnCreate', 'Retain'])
  })

  describe.each(FUNCTIONS)('%s', (name, seconds) => {
    const part = capital(name)

    it('runs the bundle under a role of its own', () => {
      expect(template.Resources[`${part}LambdaFunction`]?.Properties).toMatchObject({
        Handler: `dist/aws/lambda.${name}`,
        Runtime: 'nodejs24.x',
        Architectures: ['arm64'],
        Timeout: seconds,
        FunctionName: `tunegate-dev-${name}`,
        Role: get(`${part}Role.Arn`),
      })
    })

    it('is told where everything is', () => {
      const { Environment } = template.Resources[`${part}LambdaFunction`]?.Properties ?? {}
      expect(Environment).toEqual({
        Variables: {
          TUNEGATE_TABLE: ref('Records'),
          TUNEGATE_BUCKET: ref('Objects'),
          TUNEGATE_QUEUE_URL: ref('Tasks'),
          TUNEGATE_SECRETS_PREFIX: 'tunegate/dev/',
          TUNEGATE_SSM_PREFIX: '/tunegate/dev/',
          BEDROCK_BUCKET: ref('Objects'),
          BEDROCK_PREFIX: 'bedrock',
          BEDROCK_ROLE_ARN: { 'Fn::If': ['MakesBedrockRole', get('BedrockRole.Arn'), ''] },
        },
      })
    })

    it('forgets its logs after a while', () => {
      expect(template.Resources[`${part}LogGroup`]?.Properties).toEqual({
        LogGroupName: `/aws/lambda/tunegate-dev-${name}`,
        RetentionInDays: 30,
      })
    })

    it.each(['Errors', 'Throttles'])('has an alarm on %s', metric => {
      expect(template.Resources[`${part}${metric}Alarm`]).toMatchObject({
        Type: 'AWS::CloudWatch::Alarm',
        Properties: {
          Namespace: 'AWS/Lambda',
          MetricName: metric,
          Dimensions: [{ Name: 'FunctionName', Value: ref(`${part}LambdaFunction`) }],
          Statistic: 'Sum',
          Threshold: 1,
          ComparisonOperator: 'GreaterThanOrEqualToThreshold',
          TreatMissingData: 'notBreaching',
        },
      })
    })
  })

  it('gives a batch of steps back only after the function had time for it', () => {
    const { VisibilityTimeout } = template.Resources.Tasks?.Properties ?? {}
    const { Timeout } = template.Resources.TasksLambdaFunction?.Properties ?? {}
    expect(VisibilityTimeout).toBe(6 * Number(Timeout))
  })

  it('lets a step send the message of the next one, however many there are', () => {
    expect(template.Resources.TasksLambdaFunction?.Properties).toMatchObject({ RecursiveLoop: 'Allow' })
  })

  it('tells where everything is', () => {
    const outputs = Object.entries(template.Outputs).map(([name, { Value }]) => [name, toText(Value)])
    expect(Object.fromEntries(outputs)).toMatchObject({
      Url: 'HasDomain ? https:/// : https://{Distribution.DomainName}/',
      DistributionDomain: '{Distribution.DomainName}',
      HttpLambdaFunctionUrl: '{HttpLambdaFunctionUrl.FunctionUrl}',
      Table: '{Records}',
      Bucket: '{Objects}',
      QueueUrl: '{Tasks}',
      DeadQueueUrl: '{DeadTasks}',
      BedrockRoleArn: 'MakesBedrockRole ? {BedrockRole.Arn} : ',
    })
  })

  it('exports every function it names', async () => {
    const runtime = { streamifyResponse: (handler: unknown) => handler }
    Reflect.set(globalThis, 'awslambda', runtime)
    const exported = Object.keys(await import(/* @vite-ignore */ join(made.bundle, 'lambda.mjs')))
    expect(exported.toSorted()).toEqual(FUNCTIONS.map(([name]) => name).toSorted())
  })

  it('has CloudFront run the function before it, as the build writes it', async () => {
    const code = String(template.Resources.Edge?.Properties.FunctionCode)
    expect(code).toBe(await edgeCode())
    // CloudFront's own limit.
    expect(code.length).toBeLessThan(10 * 1024)
  })

  it('uploads the bundle and nothing else', async () => {
    const built = await readdir(made.bundle)
    const modules = built.filter(name => name.endsWith('.mjs')).map(name => `dist/aws/${name}`)
    expect((await entriesOf(made.archive)).toSorted()).toEqual(modules.toSorted())
  })
})

describe('parameters of the stack', () => {
  const TOPIC = 'arn:aws:sns:us-east-1:123456789012:alarms'
  const CERTIFICATE = 'arn:aws:acm:us-east-1:123456789012:certificate/1'
  const ROLE = 'arn:aws:iam::123456789012:role/tuning'
  let other: Package
  beforeAll(async () => {
    other = await packageStack({
      code: 'empty',
      params: {
        alarmTopicArn: TOPIC,
        bedrockRoleArn: ROLE,
        uploadOrigins: 'https://app.example.com,https://www.example.com',
        httpConcurrency: '50',
        logRetentionInDays: '7',
        secretsPrefix: 'elsewhere/',
        domain: 'tunegate.example.com',
        certificateArn: CERTIFICATE,
      },
    })
  })
  afterAll(() => other.remove())
  const propertiesOf = (name: string) => other.template.Resources[name]?.Properties

  it('take a topic for the alarms, a role for Bedrock, origins for uploads', () => {
    expect(other.template.Conditions).toEqual({
      MakesBedrockRole: { 'Fn::Equals': [ROLE, ''] },
      HasDomain: { 'Fn::Not': [{ 'Fn::Equals': ['tunegate.example.com', ''] }] },
      TellsOfAlarms: { 'Fn::Not': [{ 'Fn::Equals': [TOPIC, ''] }] },
      TakesFromPages: {
        'Fn::Not': [{ 'Fn::Equals': ['https://app.example.com,https://www.example.com', ''] }],
      },
    })
    expect(propertiesOf('DeadTasksAlarm')?.AlarmActions).toEqual({
      'Fn::If': ['TellsOfAlarms', [TOPIC], ref('AWS::NoValue')],
    })
    expect(propertiesOf('Objects')?.CorsConfiguration).toMatchObject({
      'Fn::If': [
        'TakesFromPages',
        {
          CorsRules: [
            {
              AllowedOrigins: { 'Fn::Split': [',', 'https://app.example.com,https://www.example.com'] },
              AllowedMethods: ['PUT'],
            },
          ],
        },
        ref('AWS::NoValue'),
      ],
    })
  })

  it('give it a domain', () => {
    expect(propertiesOf('Distribution')).toMatchObject({
      DistributionConfig: {
        Aliases: { 'Fn::If': ['HasDomain', ['tunegate.example.com'], ref('AWS::NoValue')] },
        ViewerCertificate: {
          'Fn::If': ['HasDomain', { AcmCertificateArn: CERTIFICATE }, { CloudFrontDefaultCertificate: true }],
        },
      },
    })
    expect(toText(other.template.Outputs.Url?.Value)).toMatch(
      /^HasDomain \? https:\/\/tunegate\.example\.com\/ /,
    )
  })

  it('set concurrency, retention and prefixes', () => {
    expect(propertiesOf('HttpLambdaFunction')).toMatchObject({
      ReservedConcurrentExecutions: 50,
      Environment: { Variables: { TUNEGATE_SECRETS_PREFIX: 'elsewhere/' } },
    })
    expect(propertiesOf('TasksLambdaFunction')).not.toHaveProperty('ReservedConcurrentExecutions')
    expect(propertiesOf('HttpLogGroup')?.RetentionInDays).toBe(7)
  })
})
