import { createHash, randomUUID } from 'node:crypto';
import { toBinary } from '@bufbuild/protobuf';
import type { Inputs } from '../artifacts/inputs';
import type { ArtifactStore } from '../artifacts/store';
import { checkColumns } from '../data/read';
import { within } from '../errors';
import { Admission } from '../infra/admission';
import type { ProcessOptions } from '../infra/engine';
import type { GrpcClient } from '../infra/grpc/client';
import type { Implementation } from '../infra/grpc/handlers';
import { badField, RpcError, status } from '../infra/grpc/status';
import { currentTraceparent } from '../infra/telemetry/traceparent';
import { type GatewayService, JobSpecSchema, type JobSpec as SpecMessage } from '../proto/gen/hifi/v1/gateway_pb';
import { givenRowsOf } from '../wire/dataset';
import { eventMessage, jobMessage, listedJob, specJson, stateOf } from '../wire/job';
import { estimateServed } from './estimate-served';
import { checkModel, servedSpec } from './job-spec';
import { pageOf } from './pages';
import { hasEnded } from './record';
import { deleteJob } from './retention';
import type { Scheduler } from './scheduler';
import type { JobStore, Refusals } from './store';

export interface GatewayParts {
  store: JobStore;
  artifacts: ArtifactStore;
  scheduler: Scheduler;
  analyzer: GrpcClient;
  inputs: Inputs;
  /** How the processes of an estimate are looked after. */
  engineProcess: ProcessOptions;
}

const REQUEST_ID = /^[\w.:-]{1,128}$/;
/** After which a client may try again when too many jobs wait, in seconds. */
const RETRY_SECONDS = 30;

/** Jobs: taken in, told of, cancelled. */
export function gatewayService(parts: GatewayParts): Implementation<typeof GatewayService> {
  const { store, artifacts, scheduler, analyzer, inputs } = parts;
  const estimates = new Admission();
  const jobOf = (id: string) => ({ job: jobMessage(store.get(id)) });
  const refusals = (requestId: string): Refusals => ({
    full() {
      const message = `${scheduler.limits.waiting} jobs wait already; try again later`;
      throw new RpcError(status.RESOURCE_EXHAUSTED, 'QUEUE_FULL', message, { retrySeconds: RETRY_SECONDS });
    },
    otherSpec(id) {
      const description = `request_id is ${requestId}, that of job ${id}, which has another spec; give another`;
      const violations = [{ field: 'request_id', description }];
      throw new RpcError(status.ALREADY_EXISTS, 'REQUEST_EXISTS', description, { violations });
    },
  });
  /** Looks at all that a spec names. */
  const check = async (spec: SpecMessage, signal: AbortSignal) => {
    const served = servedSpec(spec);
    for (const field of ['train', 'dev'] as const) {
      if (!spec[field]) continue;
      const at = `spec.${field}`;
      const labels = !served.analyzeOnly;
      const rows = await inputs.rows(givenRowsOf(spec[field], at), { field: at, labels }, signal);
      try {
        await within(at, () => checkColumns(rows.what, labels ? 'labels' : 'texts'));
      } finally {
        await rows.release();
      }
    }
    await checkModel(served, analyzer, signal);
    return served;
  };
  return {
    async createJob({ requestId = randomUUID(), spec }, { signal }) {
      if (!REQUEST_ID.test(requestId)) {
        throw badField('request_id', 'must be 1 to 128 letters, digits, dots, colons, underscores and hyphens');
      }
      if (!spec) throw badField('spec', 'is missing; it must say what is to be done');
      // A job that was accepted is not looked at again.
      if (!store.accepted(requestId)) await check(spec, signal);
      const specHash = createHash('sha256').update(toBinary(JobSpecSchema, spec)).digest('hex');
      const job = { requestId, spec: specJson(spec), specHash, traceparent: currentTraceparent() };
      const { record } = await store.create(job, scheduler.limits.waiting, refusals(requestId));
      return { job: jobMessage(record) };
    },

    async getJob({ jobId }) {
      return jobOf(jobId);
    },

    async listJobs({ pageSize, pageToken, states }) {
      const wanted = states.map(stateOf);
      const after = function* (key?: string) {
        for (const record of store.list(key)) if (wanted.length === 0 || wanted.includes(record.state)) yield record;
      };
      const { page, nextPageToken } = pageOf(after, ({ id }) => id, { pageSize, pageToken }, 50);
      return { jobs: page.map(listedJob), nextPageToken };
    },

    async cancelJob({ jobId }) {
      await scheduler.cancel(jobId);
      return jobOf(jobId);
    },

    async deleteJob({ jobId }) {
      const record = store.get(jobId);
      if (!hasEnded(record)) {
        throw new RpcError(
          status.FAILED_PRECONDITION,
          'JOB_NOT_ENDED',
          `job ${jobId} is ${record.state}; cancel it first: only a job that has ended can be deleted`,
        );
      }
      await deleteJob(jobId, store, artifacts);
      return {};
    },

    async *watchJob({ jobId, fromSequence = 1 }, { signal }) {
      if (fromSequence < 1) throw badField('from_sequence', `is ${fromSequence}; the first event is 1`);
      let told = false;
      for await (const event of store.watch(jobId, fromSequence, signal)) {
        told = true;
        yield { event: eventMessage(event) };
      }
      if (told) return;
      const { sequence } = store.get(jobId);
      throw badField(
        'from_sequence',
        `is ${fromSequence}; job ${jobId} has ended with event ${sequence}: give 1 to ${sequence}`,
      );
    },

    async estimateJob({ spec }, { signal }) {
      if (!spec) throw badField('spec', 'is missing; it must say what is to be done');
      const served = await check(spec, signal);
      if (served.analyzeOnly) throw badField('spec.analyze_only', 'is true; only a training can be estimated');
      const place = estimates.enter();
      try {
        await place.turn(signal);
        return await estimateServed(served, inputs, signal, parts.engineProcess);
      } finally {
        place.leave();
      }
    },
  };
}
