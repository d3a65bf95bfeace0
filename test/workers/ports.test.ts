import { createR2Bucket } from '../../shared/platform/cloudflare/bucket.ts'
import { createD1Store } from '../../shared/platform/cloudflare/store.ts'
import { bucketContract, storeContract } from '../support/contract.ts'
import { bindings } from '../support/gateway.ts'

storeContract('D1', () => createD1Store(bindings.DB))
bucketContract('R2', () => createR2Bucket(bindings.BUCKET))
