import { parentPort, workerData } from 'node:worker_threads';
import { HifiError } from '../foundation/errors';
import { clock } from '../foundation/progress';
import { release } from './hand-over';
import { type BatchOutputs, HeadMeter } from './measure';
import type { FromWorker, MeasureSetup, ToWorker } from './measure-pool';
import { HeadStatistics } from './statistics';

/** A worker thread of `MeasurePool`: keeps statistics of its own until it is asked for them. */
const { shape, maxTokens } = workerData as MeasureSetup;
const statistics = new HeadStatistics(shape);
const meter = new HeadMeter(statistics, maxTokens);

parentPort!.on('message', (message: ToWorker) => {
  if (message === 'statistics') tell({ kind: 'statistics', data: statistics.toData() });
  else tell(measured(message));
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

function tell(message: FromWorker): void {
  parentPort!.postMessage(message);
}
