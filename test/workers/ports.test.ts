import { inject } from 'vitest'
import { createR2Bucket } from '../../shared/platform/cloudflare/bucket.ts'
import { createD1Store } from '../../shared/platform/cloudflare/store.ts'
import { createS3Bucket } from '../../shared/platform/index.ts'
import { bucketContract, storeContract } from '../support/contract.ts'
import { bindings } from '../support/ground-cloudflare.ts'

storeContract('D1', () => createD1Store(bindings.DB))
bucketContract('R2', () => createR2Bucket(bindings.BUCKET))

const { s3Url: url, ...access } = inject('bucketAccess')
bucketContract("S3's API", () =>
  createS3Bucket({
    settings: async () => ({ url, ...access }),
    fetch: (request, init) => fetch(request, init),
    clock: { now: () => Date.now(), sleep: async () => undefined },
  }),
)
