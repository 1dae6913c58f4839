import { randomUUID } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import type { PlacedRun, RunPlace, RunResult } from '../compare/run-place';
import { cancelled, failed, HifiError } from '../foundation/errors';
import { sha256Of } from '../foundation/hash';
import type { StageProgress } from '../foundation/progress';
import { followJob } from '../gateway/follow-job';
import type { GrpcClient } from '../infra/grpc/client';
import { patiently } from '../infra/grpc/patiently';
import { readHeads, readMask, readMetrics, readScores, writeJson } from '../job/files';
import { GatewayService, type Job, JobState } from '../proto/gen/hifi/v1/gateway_pb';
import { analysisMessage, selectionMessage, trainingMessage } from '../proto/options';
import { reasonIn } from '../proto/status';
import { gatewayError } from './gateway-flags';
import { download } from './remote-results';
import { uploaded } from './remote-run';
import type { Session } from './session';

/** Files of a job that a run's result consists of. */
const RESULTS = /^(delta\/.*|(heads|scores|mask|metrics)\.json)$/;

/**
 * Runs of a comparison as jobs at a gateway, which its trainers share. Each run has a request id of
 * its own: a comparison that is resumed finds its jobs again.
 */
export class GatewayRuns implements RunPlace {
  /** Name of a run → its job. */
  private readonly jobs = new Map<string, Promise<Job>>();
  private latest: Promise<unknown> = Promise.resolve();

  /**
   * @param model as the gateway's services find it
   * @param out folder of the comparison
   */
  constructor(
    private readonly gateway: GrpcClient,
    private readonly model: string,
    private readonly out: string,
    private readonly session: Session,
  ) {}

  begin(run: PlacedRun): void {
    const job = this.latest.then(() => this.create(run));
    this.latest = job.catch(() => {}); // `result` reports it
    this.jobs.set(run.name, job);
  }

  async *result(run: PlacedRun, folder: string, signal: AbortSignal): AsyncGenerator<StageProgress, RunResult> {
    const { gateway, session } = this;
    if (!this.jobs.has(run.name)) this.begin(run);
    try {
      const { jobId } = (await this.jobs.get(run.name)) as Job;
      const note = (line: string) => session.progress.say(`note: ${line}`);
      for await (const { event } of followJob(gateway, jobId, 1, signal, { note })) {
        if (event.kind === 'progress') yield event;
      }
      const { job } = await gateway.unary(GatewayService.method.getJob, { jobId }, { signal });
      const diverged = isDiverged(job);
      if (job?.error && !diverged) throw new HifiError('FAILED', `job ${jobId} has failed: ${job.error.message}`);
      if (job?.state === JobState.CANCELLED) throw failed(`job ${jobId} of ${run.name} was cancelled at the gateway`);
      const names = await download(gateway, jobId, folder, session, (name) => RESULTS.test(name));
      const at = (name: string) => path.join(folder, name);
      const measured = names.includes('scores.json') ? readScores(at('scores.json')) : readHeads(at('heads.json'));
      const outcome = diverged ? { failure: job?.error?.message } : { metrics: readMetrics(at('metrics.json')) };
      return { mask: readMask(at('mask.json')), measuredSeconds: measured.elapsedSeconds, ...outcome };
    } catch (thrown) {
      if (signal.aborted) throw cancelled();
      throw gatewayError(thrown);
    }
  }

  /** Cancels all begun runs that have not ended. */
  async cancel(): Promise<void> {
    await Promise.all(
      [...this.jobs.values()].map(async (job) => {
        const { jobId } = await job;
        await this.gateway.unary(GatewayService.method.cancelJob, { jobId });
      }),
    ).catch(() => {});
  }

  private async create(run: PlacedRun): Promise<Job> {
    const { gateway, session } = this;
    const spec = {
      model: this.model,
      train: await uploaded(gateway, run.train, session),
      dev: await uploaded(gateway, run.dev, session),
      analysis: analysisMessage(run.analysis),
      selection: selectionMessage(run.selection),
      training: trainingMessage(run.training),
    };
    const id = this.comparisonId();
    // Resumed with other threads, or another path of the model, a run is another request.
    const asked = sha256Of(JSON.stringify(spec)).slice(0, 8);
    for (let number = 1; ; number++) {
      if (session.signal.aborted) throw cancelled();
      const requestId = `${id}:${run.name}:${asked}:${number}`;
      const { createJob } = GatewayService.method;
      const { signal } = session;
      const { job } = await patiently(() => gateway.unary(createJob, { requestId, spec }, { signal }), signal);
      if (!job) throw failed('the gateway returned no job');
      const wasted = job.state === JobState.CANCELLED || (job.state === JobState.FAILED && !isDiverged(job));
      if (!wasted) return job;
    }
  }

  /** Identifies the comparison in the request ids, also after it is resumed. */
  private comparisonId(): string {
    const file = path.join(this.out, 'state', 'gateway.json');
    if (!fs.existsSync(file)) writeJson(file, { comparison: randomUUID() });
    return JSON.parse(fs.readFileSync(file, 'utf8')).comparison;
  }
}

const isDiverged = (job: Job | undefined) => job?.error !== undefined && reasonIn(job.error) === 'DIVERGED';
