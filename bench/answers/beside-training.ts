import * as fs from 'node:fs';
import * as path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { GrpcClient } from '../../infra/grpc/client';
import { GatewayService, JobState } from '../../proto/gen/hifi/v1/gateway_pb';
import { spreadOf } from '../candidate';
import { printRow } from '../table';
import { Served, textOf } from './served';
import { percentile, timed } from './timed';

const TOKENS = 16;
/** Training rows, of 16 tokens each: an epoch outlasts the calls. */
const ROWS = 20_000;
const CALLS = 500;
const PAUSE_MS = 10;

/** Measures answers while a job trains on all cores. */
export async function benchBesideTraining(model: string): Promise<void> {
  const served = await Served.start(model, 'all');
  const gateway = new GrpcClient(`127.0.0.1:${served.ports.gateway}`);
  try {
    const value = path.join(served.root, 'train.tsv');
    const rows = Array.from({ length: ROWS }, (_, i) => `${textOf(TOKENS, i)}\t${i % 2 ? 'yes' : 'no'}`);
    fs.writeFileSync(value, ['text\tlabel', ...rows, ''].join('\n'));
    const train = { source: { case: 'path' as const, value }, textColumns: ['text'], labelColumn: 'label' };
    const spec = { model, train, analysis: { samples: 100 }, training: { epochs: 10 } };
    const { job } = await gateway.unary(GatewayService.method.createJob, { spec });
    const jobId = job!.jobId;
    const state = async () => (await gateway.unary(GatewayService.method.getJob, { jobId })).job!.state;
    while ((await state()) < JobState.TRAINING) await delay(100);
    const [delta] = served.deltas(1);
    const all: number[] = [];
    for (let i = -50; i < CALLS; i++) {
      const ms = await timed(() => served.classify([delta], textOf(TOKENS)));
      if (i >= 0) all.push(ms);
      await delay(PAUSE_MS);
    }
    if ((await state()) !== JobState.TRAINING) throw new Error('the job ended before the last call');
    const work = `a text of ${TOKENS} tokens, one delta, while a job trains`;
    printRow(`${work}, ms`, 'hifi, InferenceService.Classify', spreadOf(all), spreadOf(all));
    const p99 = spreadOf([percentile(all)]);
    printRow(`${work}, 99th percentile, ms`, 'hifi, InferenceService.Classify', p99, p99);
    await gateway.unary(GatewayService.method.cancelJob, { jobId });
    while ((await state()) < JobState.SUCCEEDED) await delay(100);
  } finally {
    gateway.close();
    await served.stop();
  }
}
