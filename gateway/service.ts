import { randomUUID } from 'node:crypto';
import { clone, toBinary } from '@bufbuild/protobuf';
import { checkColumns } from '../data/read';
import { HifiError, invalidValue, shown, within } from '../foundation/errors';
import { follow } from '../foundation/follow';
import { sha256Of } from '../foundation/hash';
import type { Inputs } from '../infra/artifacts/inputs';
import type { ArtifactStore } from '../infra/artifacts/store';
import type { Calls } from '../infra/grpc/client';
import type { Implementation } from '../infra/grpc/handlers';
import { currentTraceparent } from '../infra/telemetry/traceparent';
import { estimate } from '../job/estimate';
import { givenRowsOf } from '../proto/dataset';
import { type GatewayService, JobSpecSchema, type JobSpec as SpecMessage } from '../proto/gen/hifi/v1/gateway_pb';
import { ofMessage } from '../proto/message-field';
import { RpcError, status } from '../proto/status';
import { estimateMessage } from './estimate-message';
import { FileHolds } from './file-holds';
import { eventMessage, jobMessage, stateOf } from './job-message';
import { checkModel, servedSpec } from './job-spec';
import { pageOf } from './pages';
import { hasEnded, type JobRecord } from './record';
import { remoteCalibrations } from './remote-calibrations';
import { deleteJob, removeUnused } from './retention';
import type { Scheduler } from './scheduler';
import { isJobId, type JobStore, type Refusals } from './store';
import { givenSpec, listedSpec, storedSpec } from './stored-spec';

export interface GatewayParts {
  store: JobStore;
  artifacts: ArtifactStore;
  scheduler: Scheduler;
  analyzer: Calls;
  trainer: Calls;
  inputs: Inputs;
}

const DATASETS = ['train', 'dev'] as const;
const REQUEST_ID = /^[\w.:-]{1,128}$/;
/**
 * Longest time that a watcher may leave waiting events unread, in milliseconds. It can resume at
 * the next sequence number.
 */
const WATCHER_IDLE_MS = 60_000;
/** Retry delay for a client when too many jobs wait, in seconds. */
const RETRY_SECONDS = 30;

/** Service that creates, reports, cancels and deletes jobs. */
export function gatewayService(parts: GatewayParts): Implementation<typeof GatewayService> {
  const { store, artifacts, scheduler, analyzer, trainer, inputs } = parts;
  const jobOf = async (id: string) => {
    const record = await store.get(id);
    return { job: jobMessage(record, await givenSpec(await store.spec(id), artifacts)) };
  };
  /** Returns a job for a list; nothing if it was deleted in the meantime. */
  const listed = async (record: JobRecord) => {
    try {
      return [jobMessage(record, listedSpec(await store.spec(record.id)))];
    } catch (thrown) {
      if (HifiError.from(thrown).code === 'NOT_FOUND') return [];
      throw thrown;
    }
  };
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
  /** Checks a spec: its options, datasets and model. */
  const check = async (spec: SpecMessage, signal: AbortSignal) => {
    const served = servedSpec(spec);
    for (const field of DATASETS) {
      if (!spec[field]) continue;
      const at = `spec.${field}`;
      const labels = !served.analyzeOnly;
      const rows = await inputs.rows(givenRowsOf(spec[field], at), { field: at, labels }, signal);
      try {
        await within(at, () => checkColumns(rows.what, labels ? 'labels' : 'texts'));
      } catch (thrown) {
        throw ofMessage(thrown);
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
        const expected = '1 to 128 letters, digits, dots, colons, underscores and hyphens';
        throw invalidValue({ field: 'request_id', value: shown(requestId), expected });
      }
      if (!spec) throw noSpec();
      const specHash = hashOf(spec);
      const refuse = refusals(requestId);
      // An accepted job is not checked again.
      const accepted = await store.accepted(requestId);
      if (accepted && accepted.specHash !== specHash) refuse.otherSpec(accepted.id);
      if (accepted) return { job: jobMessage(await store.get(accepted.id), spec) };

      // The spec's files must still exist once the job is accepted.
      const holds = new FileHolds(store, artifacts);
      const written: string[] = [];
      try {
        for (const field of DATASETS) {
          const source = spec[field]?.source;
          if (source?.case === 'artifact') await within(`spec.${field}.artifact`, () => holds.hold(source.value));
        }
        await check(spec, signal);
        const stored = await storedSpec(spec, async (text) => {
          const file = await holds.addText(text);
          written.push(file.sha256);
          return file;
        });
        const job = { requestId, spec: stored, specHash, traceparent: currentTraceparent() };
        const { record } = await store.create(job, scheduler.limits.waiting, refuse);
        return { job: jobMessage(record, spec) };
      } finally {
        holds.release();
        // Removes the rows of a refused job.
        await removeUnused(written, store, artifacts);
      }
    },

    async getJob({ jobId }) {
      return jobOf(jobId);
    },

    async listJobs({ pageSize, pageToken, states }) {
      const wanted = states.map((state, i) => {
        const known = stateOf(state);
        if (known) return known;
        throw invalidValue({ field: `states[${i}]`, value: shown(state), expected: 'a state of a job' });
      });
      const after = (key?: string) => store.list(key, wanted);
      const { page, nextPageToken } = await pageOf(after, ({ id }) => id, isJobId, { pageSize, pageToken }, 50);
      return { jobs: (await Promise.all(page.map(listed))).flat(), nextPageToken };
    },

    async cancelJob({ jobId }) {
      await scheduler.cancel(jobId);
      return jobOf(jobId);
    },

    async deleteJob({ jobId }) {
      const record = await store.get(jobId);
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

    async *watchJob({ jobId, fromSequence = 1 }, call) {
      call.mostIdleMs = WATCHER_IDLE_MS;
      const wrong = (expected: string) =>
        invalidValue({ field: 'from_sequence', value: String(fromSequence), expected });
      if (fromSequence < 1) throw wrong('1 or more');
      let sent = false;
      for await (const event of store.watch(jobId, fromSequence, call.signal)) {
        sent = true;
        yield { event: eventMessage(event) };
      }
      if (sent) return;
      const { sequence } = await store.get(jobId);
      throw wrong(`1 to ${sequence}: job ${jobId} has ended with event ${sequence}`);
    },

    async estimateJob({ spec }, { signal }) {
      if (!spec) throw noSpec();
      const served = await check(spec, signal);
      if (served.analyzeOnly) {
        const expected = 'false: only a training can be estimated';
        throw invalidValue({ field: 'spec.analyze_only', value: 'true', expected });
      }
      const events = estimate(served, remoteCalibrations(analyzer, trainer), signal);
      return estimateMessage(await follow(events, () => {}));
    },
  };
}

/** SHA-256 of a specification. A map's entries come in any order. */
function hashOf(spec: SpecMessage): string {
  const labelWeights = Object.entries(spec.training?.labelWeights ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  const sorted = clone(JobSpecSchema, spec);
  if (sorted.training) sorted.training.labelWeights = Object.fromEntries(labelWeights);
  return sha256Of(toBinary(JobSpecSchema, sorted));
}

const noSpec = () => invalidValue({ field: 'spec', value: 'missing', expected: 'what is to be done' });
