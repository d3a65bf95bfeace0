/** What the gateway answers is what the official SDK promises its callers: agreement at compile time. */
import type OpenAI from 'openai'
import { expectTypeOf, it } from 'vitest'
import type {
  CheckpointObject,
  EndedList,
  ErrorBody,
  FileObject,
  JobEvent,
  JobObject,
  JobStatus,
  List,
  Method,
  ModelObject,
  UploadObject,
  UploadPartObject,
  WebhookEndpointObject,
  WebhookEndpointWithSecretObject,
  WebhookTestObject,
} from '../shared/openai/index.ts'

type Page<T> = { data: T[]; has_more: boolean }
type Reinforcement = NonNullable<NonNullable<OpenAI.FineTuning.FineTuningJob['method']>['reinforcement']>
/** A grader is passed on as it is, and is the provider's to check: everything around it is ours. */
type Graded<T> = T extends { type: 'reinforcement'; reinforcement: infer R }
  ? { type: 'reinforcement'; reinforcement: Omit<R, 'grader'> & Pick<Reinforcement, 'grader'> }
  : T
type Job = JobObject<Graded<Method>>
type Checkpoint = OpenAI.FineTuning.Jobs.FineTuningJobCheckpoint

it('every object is one of the SDK’s', () => {
  expectTypeOf<FileObject>().toExtend<OpenAI.FileObject>()
  expectTypeOf<UploadObject>().toExtend<OpenAI.Upload>()
  expectTypeOf<UploadPartObject>().toExtend<OpenAI.Uploads.UploadPart>()
  expectTypeOf<Job>().toExtend<OpenAI.FineTuning.FineTuningJob>()
  expectTypeOf<JobEvent>().toExtend<OpenAI.FineTuning.FineTuningJobEvent>()
  expectTypeOf<CheckpointObject>().toExtend<Checkpoint>()
  expectTypeOf<ModelObject>().toExtend<OpenAI.Model>()
  expectTypeOf<WebhookEndpointObject>().toExtend<OpenAI.Webhooks.WebhookEndpoint>()
  expectTypeOf<WebhookEndpointWithSecretObject>().toExtend<OpenAI.Webhooks.WebhookEndpointWithSecret>()
  expectTypeOf<WebhookTestObject>().toExtend<OpenAI.Webhooks.WebhookEndpointTestResult>()
  expectTypeOf<ErrorBody['error']>().toExtend<OpenAI.ErrorObject>()
})

it('every list is a page of the SDK’s', () => {
  expectTypeOf<EndedList<FileObject>>().toExtend<Page<OpenAI.FileObject>>()
  expectTypeOf<List<Job>>().toExtend<Page<OpenAI.FineTuning.FineTuningJob>>()
  expectTypeOf<List<JobEvent>>().toExtend<Page<OpenAI.FineTuning.FineTuningJobEvent>>()
  expectTypeOf<EndedList<CheckpointObject>>().toExtend<Page<Checkpoint>>()
  expectTypeOf<List<FileObject>['object']>().toEqualTypeOf<'list'>()
})

it('the words are the SDK’s, no more and no fewer', () => {
  expectTypeOf<JobStatus>().toEqualTypeOf<OpenAI.FineTuning.FineTuningJob['status']>()
  expectTypeOf<FileObject['status']>().toEqualTypeOf<OpenAI.FileObject['status']>()
  expectTypeOf<JobEvent['level']>().toEqualTypeOf<OpenAI.FineTuning.FineTuningJobEvent['level']>()
  expectTypeOf<Method['type']>().toEqualTypeOf<
    NonNullable<OpenAI.FineTuning.FineTuningJob['method']>['type']
  >()
})

it('and the compiler would say so if they were not', () => {
  type Renamed = Omit<FileObject, 'bytes'> & { size: number }
  // @ts-expect-error a field of another name
  expectTypeOf<Renamed>().toExtend<OpenAI.FileObject>()
  type Stringly = Omit<Job, 'created_at'> & { created_at: string }
  // @ts-expect-error a field of another type
  expectTypeOf<Stringly>().toExtend<OpenAI.FineTuning.FineTuningJob>()
  type Finer = Omit<Job, 'status'> & { status: JobStatus | 'paused' }
  // @ts-expect-error a status that the SDK does not know
  expectTypeOf<Finer>().toExtend<OpenAI.FineTuning.FineTuningJob>()
})
