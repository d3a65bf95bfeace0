import type { JobRecord } from '../../../shared/training/index.ts'

/** A job that the provider of {@link startFake} is running. */
export const jobRecord = (parts: Partial<JobRecord> = {}): JobRecord => {
  const target = {
    provider: 'fake',
    connection: 'main',
    account: 'main',
    native_model: 'base',
    estimate: { missing: 'in a test' },
  }
  return {
    ...target,
    id: 'ftjob-AbCdEf12345678',
    owner: 'owner',
    key: null,
    batch_limit: null,
    is_over_limit: false,
    reservation: null,
    is_accounted: false,
    created_at: 1_700_000_000,
    request: { model: 'base', training_file: 'file-1' },
    drop_params: false,
    method: { type: 'supervised' },
    seed: null,
    stage: 'watching',
    due_at: null,
    trouble: 0,
    targets: [target],
    target: 0,
    started_at: 1_700_000_000,
    sent_at: 1_700_000_000,
    past: [],
    is_cancelled: false,
    deadline_at: null,
    is_overdue: false,
    native_id: 'native-job',
    status: 'running',
    native: null,
    fine_tuned_model: null,
    result_files: [],
    error: null,
    finished_at: null,
    polled_at: null,
    feed: { last_native_id: null, count: 0, is_complete: false },
    ...parts,
  }
}
