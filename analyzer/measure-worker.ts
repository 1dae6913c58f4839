import { parentPort, workerData } from 'node:worker_threads';
import { HifiError } from '../foundation/errors';
import { clock } from '../foundation/progress';
import { release } from './batch-memory';
import { type BatchOutputs, HeadMeter } from './measure';
import type { FromWorker, MeasureSetup, ToWorker } from './measure-pool';
import { HeadStatistics } from './statistics';

/** Worker thread of `MeasurePool`. It collects its own statistics until they are requested. */
const { shape, maxTokens } = workerData as MeasureSetup;
const statistics = new HeadStatistics(shape);
const meter = new HeadMeter(statistics, maxTokens);

parentPort!.on('message', (message: ToWorker) => {
  if (message === 'statistics') send({ kind: 'statistics', data: statistics.toData() });
  else send(measured(message));
});

function measured(batch: BatchOutputs): FromWorker {
  const from = clock();
  try {
    meter.addBatch(batch);
    return { kind: 'measured', sequences: batch.lengths.length, from, to: clock() };
  } catch (thrown) {
    const { code, message } = HifiError.from(thrown);
    return { kind: 'failed', code, message };
  } finally {
    release(batch);
  }
}

function send(message: FromWorker): void {
  parentPort!.postMessage(message);
}
