import type { Logger } from '../infra/log';
import type { Histogram, Telemetry } from '../infra/telemetry';
import { newSpanId, siblingTraceparent } from '../infra/telemetry/traceparent';
import { readResult } from '../job/files';
import { type JobEvent, type JobSpec, type JobState, runAnalysis, runJob } from '../job/job';
import type { TextDataset } from '../proto/gen/hifi/v1/dataset_pb';
import { FileHolds } from './file-holds';
import { noteWhenRoom } from './note-when-room';
import type { Happening, JobRecord, Phase } from './record';
import { RecordPlace } from './record-results';
import { remoteStages, type Workers } from './remote-stages';
import type { Heard } from './scheduler';
import type { JobStore } from './store';

/** What an attempt needs besides the job. */
export interface AttemptParts extends Workers {
  store: JobStore;
  telemetry: Telemetry;
  /** Of each state. */
  seconds: Histogram;
  log: Logger;
  /** Returns the job's spec, from its stored form. */
  specOf(stored: unknown): Promise<JobSpec<TextDataset> & { analyzeOnly: boolean }>;
}

/** Records what happened to the job. */
type Note = (...happenings: Happening[]) => Promise<JobRecord>;

/**
 * Takes a job up and drives it to SUCCEEDED; results that it has already are not made again. Each state is a span of the job's
 * trace. What goes wrong is left to the caller: it may be worth another attempt.
 *
 * @param heard see `Heard`
 * @throws whatever a stage throws; HifiError CANCELLED when `signal` aborts
 */
export async function attempt(id: string, parts: AttemptParts, signal: AbortSignal, heard: Heard): Promise<void> {
  const { store, telemetry, artifacts } = parts;
  const before = store.get(id);
  if (before.attempt === 0) tellWait(before, telemetry);
  else tellCut(before, telemetry);
  const note: Note = (...happenings) => noteWhenRoom(store, id, happenings, signal, parts.log);
  await note({ kind: 'attempt' });

  const spec = await parts.specOf(store.spec(id));
  const holds = new FileHolds(store, artifacts);
  const place = await RecordPlace.open(before, artifacts, holds);
  const stages = remoteStages(id, parts, place);
  const drive = spec.analyzeOnly ? runAnalysis : runJob;
  const events: AsyncGenerator<JobEvent, unknown> = drive(spec, stages, place, signal);
  /** The work of a state: all until the next one. */
  const workOf = async (state: JobState): Promise<JobState | undefined> => {
    await note({ kind: 'state', state });
    for (;;) {
      const { done, value: event } = await events.next();
      if (done) return undefined;
      if (event.kind === 'state') return event.state;
      // A stored result is not an answer of a service.
      if (event.kind !== 'artifact' || !event.kept) heard(advances(event, store.get(id)));
      await note(...(await happeningsOf(event, place)));
    }
  };
  try {
    // The driver's own FAILED and CANCELLED come before it throws: what becomes of the job is the caller's to say.
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

/** Whether an attempt has reached something that those before had not: a resumed one tells again of what there is. */
function advances(event: Exclude<JobEvent, { kind: 'state' }>, { epochs }: JobRecord): boolean {
  if (event.kind === 'epoch') return event.epoch.epoch > epochs;
  if (event.kind === 'artifact') return !event.kept;
  return event.kind === 'checkpoint';
}

/** Does a state's work in a span, whose id the record holds meanwhile. */
async function inPhase(
  state: JobState,
  { id, traceparent, attempt: attempts, phase: cut }: JobRecord,
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
    links: cut?.state === state ? [siblingTraceparent(traceparent, cut.spanId) ?? traceparent] : [],
  };
  try {
    return await telemetry.inSpan(spanName(state), settings, timed);
  } catch (error) {
    await note({ kind: 'phase', phase: { ...phase, told: true } });
    throw error;
  }
}

const spanName = (state: JobState) => `hifi.job.${state.toLowerCase()}`;

/** The time in the queue, as a span. */
function tellWait({ id, traceparent, createTime }: JobRecord, telemetry: Telemetry): void {
  if (traceparent === undefined) return;
  const attributes = { 'hifi.job_id': id };
  telemetry.record('hifi.job.queued', createTime, Date.now(), { parent: traceparent, attributes });
}

/** The span of the state in which an earlier attempt was cut with its process, under the id that the spans below it know. */
function tellCut({ id, traceparent, phase, attempt: attempts, updateTime }: JobRecord, telemetry: Telemetry): void {
  if (!phase || phase.told || traceparent === undefined) return;
  telemetry.record(spanName(phase.state), phase.from, Math.max(updateTime, phase.from), {
    parent: traceparent,
    spanId: phase.spanId,
    attributes: { 'hifi.job_id': id, 'hifi.attempt': attempts },
    error: 'cut: the job is taken up again by another attempt',
  });
}

/** What the driver tells, as what happened to the job. Results come as the files that they are. */
async function happeningsOf(event: Exclude<JobEvent, { kind: 'state' }>, place: RecordPlace): Promise<Happening[]> {
  if (event.kind !== 'artifact') return [event];
  // The report's files are one result.
  const names = event.name === 'report.html' ? ['report.html', 'report'] : [event.name];
  const told = names.flatMap((name) => place.take(name));
  const happened: Happening[] = told.map((artifact) => ({ kind: 'artifact', artifact }));
  if (event.name === 'metrics.json' && told.length > 0) {
    happened.push({ kind: 'metrics', metrics: readResult('metrics.json', await place.pathOf(told[0])) });
  }
  return happened;
}
