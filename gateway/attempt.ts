import type { Logger } from '../infra/log';
import type { Histogram, Telemetry } from '../infra/telemetry';
import { newSpanId, siblingTraceparent } from '../infra/telemetry/traceparent';
import { readResult } from '../job/files';
import { type JobEvent, type JobState, runAnalysis, runJob } from '../job/job';
import { FileHolds } from './file-holds';
import type { ServedSpec } from './job-spec';
import { noteWhenRoom } from './note-when-room';
import type { Happening, JobRecord, Phase } from './record';
import { RecordPlace } from './record-results';
import { registerResult } from './registry/register-result';
import { remoteStages, type Workers } from './remote-stages';
import type { OnAnswer } from './scheduler';
import type { Claim, JobStore } from './store';

/** Dependencies of an attempt. */
export interface AttemptParts extends Workers {
  store: JobStore;
  /** Duration of each state, in seconds. */
  seconds: Histogram;
  log: Logger;
  /** Returns the job's spec, from its stored form. */
  specOf(stored: unknown): Promise<ServedSpec>;
}

/** Records what happened to the job. */
type Note = (...happenings: Happening[]) => Promise<JobRecord>;

/**
 * Runs a job to SUCCEEDED; stored results are not computed again. Each state is a span of the job's
 * trace. Errors are left to the caller, which may make another attempt.
 *
 * @param onAnswer see `OnAnswer`
 * @throws whatever a stage throws; HifiError CANCELLED when `signal` aborts
 */
export async function attempt(
  claim: Claim,
  parts: AttemptParts,
  signal: AbortSignal,
  onAnswer: OnAnswer,
): Promise<void> {
  const { store, telemetry, artifacts } = parts;
  const { id } = claim;
  const before = await store.get(id);
  if (before.attempt === 0) recordWait(before, telemetry);
  else recordInterrupted(before, telemetry);
  let record = before;
  const note: Note = async (...happenings) => {
    record = await noteWhenRoom(claim, happenings, signal, parts.log);
    return record;
  };
  const { attempt: number } = await note({ kind: 'attempt' });

  const spec = await parts.specOf(await store.spec(id));
  const holds = new FileHolds(store, artifacts);
  const place = await RecordPlace.open(before, artifacts, holds);
  const stages = remoteStages({ job: id, number }, parts, place);
  const drive = spec.analyzeOnly ? runAnalysis : runJob;
  const events: AsyncGenerator<JobEvent, unknown> = drive(spec, stages, place, signal);
  /** Does the work of a state, up to the next state. */
  const workOf = async (state: JobState): Promise<JobState | undefined> => {
    await note({ kind: 'state', state });
    for (;;) {
      const { done, value: event } = await events.next();
      if (done) return undefined;
      if (event.kind === 'state') {
        if (event.state === 'SUCCEEDED' && spec.registerAs !== undefined) {
          await note(...(await registerResult(spec.registerAs, record, place, parts, signal)));
        }
        return event.state;
      }
      // A stored result is not an answer of a service.
      if (event.kind !== 'artifact' || !event.kept) onAnswer(advances(event, record));
      await note(...(await happeningsOf(event, place)));
    }
  };
  try {
    // The driver yields its own FAILED and CANCELLED before it throws; the caller decides the
    // state.
    let state: JobState | undefined = 'QUEUED';
    while (state !== undefined) {
      const entered: JobState = state;
      if (entered === 'FAILED' || entered === 'CANCELLED') state = (await events.next()).value as undefined;
      else state = await inPhase(entered, before, parts, note, () => workOf(entered));
    }
  } finally {
    await events.return(undefined);
    holds.release();
  }
}

/** Returns true if an event shows new progress: a resumed attempt first repeats earlier events. */
function advances(event: Exclude<JobEvent, { kind: 'state' }>, { epochs }: JobRecord): boolean {
  if (event.kind === 'epoch') return event.epoch.epoch > epochs;
  if (event.kind === 'artifact') return !event.kept;
  return event.kind === 'checkpoint';
}

/** Does a state's work in a span. The job's record holds the span's id in the meantime. */
async function inPhase(
  state: JobState,
  { id, traceparent, attempt: attempts, phase: interrupted }: JobRecord,
  { telemetry, seconds }: AttemptParts,
  note: Note,
  work: () => Promise<JobState | undefined>,
): Promise<JobState | undefined> {
  if (state === 'QUEUED' || state === 'SUCCEEDED') return work();
  const began = performance.now();
  const timed = async () => {
    const next = await work();
    seconds.record((performance.now() - began) / 1000, { 'hifi.job.state': state.toLowerCase() });
    return next;
  };
  if (!telemetry.on || traceparent === undefined) return timed();
  const phase: Phase = { state, spanId: newSpanId(), from: Date.now(), told: false };
  await note({ kind: 'phase', phase });
  const settings = {
    parent: traceparent,
    spanId: phase.spanId,
    attributes: { 'hifi.job_id': id, 'hifi.attempt': attempts + 1 },
    links: interrupted?.state === state ? [siblingTraceparent(traceparent, interrupted.spanId) ?? traceparent] : [],
  };
  try {
    return await telemetry.inSpan(spanName(state), settings, timed);
  } catch (error) {
    await note({ kind: 'phase', phase: { ...phase, told: true } });
    throw error;
  }
}

const spanName = (state: JobState) => `hifi.job.${state.toLowerCase()}`;

/** Records the time in the queue as a span. */
function recordWait({ id, traceparent, createTime }: JobRecord, telemetry: Telemetry): void {
  if (traceparent === undefined) return;
  const attributes = { 'hifi.job_id': id };
  telemetry.record('hifi.job.queued', createTime, Date.now(), { parent: traceparent, attributes });
}

/**
 * Records the span of the state in which an earlier attempt's process ended, under the id that its
 * child spans have.
 */
function recordInterrupted(
  { id, traceparent, phase, attempt: attempts, updateTime }: JobRecord,
  telemetry: Telemetry,
): void {
  if (!phase || phase.told || traceparent === undefined) return;
  telemetry.record(spanName(phase.state), phase.from, Math.max(updateTime, phase.from), {
    parent: traceparent,
    spanId: phase.spanId,
    attributes: { 'hifi.job_id': id, 'hifi.attempt': attempts },
    error: 'interrupted: another attempt resumes the job',
  });
}

/**
 * Converts a driver's event to changes of the job. A result becomes the files that it consists of.
 */
async function happeningsOf(event: Exclude<JobEvent, { kind: 'state' }>, place: RecordPlace): Promise<Happening[]> {
  if (event.kind === 'rate') return []; // the metrics have it
  if (event.kind !== 'artifact') return [event];
  // report.html and the folder report/ are one result.
  const names = event.name === 'report.html' ? ['report.html', 'report'] : [event.name];
  const files = names.flatMap((name) => place.take(name));
  const happened: Happening[] = files.map((artifact) => ({ kind: 'artifact', artifact }));
  if (event.name === 'metrics.json' && files.length > 0) {
    // Records and their events have no texts of rows: the file alone has the errors.
    const { errorAnalysis: _, ...metrics } = readResult('metrics.json', await place.pathOf(files[0]));
    happened.push({ kind: 'metrics', metrics });
  }
  return happened;
}
