import { Worker } from 'node:worker_threads';
import { type ErrorCode, failed, HifiError } from '../foundation/errors';
import type { WorkInterval } from '../foundation/progress';
import { Waker } from '../foundation/waker';
import { buffersOf } from './batch-memory';
import { bootstrapBytes } from './bootstrap';
import type { BatchOutputs } from './measure';
import { HeadStatistics, type StatisticsData, type StatisticsShape } from './statistics';

/** Number of batches that a worker may have: one in work, one to continue with. */
const QUEUE = 2;

/**
 * Maximum size of the replicates' sums of all workers, in bytes. A graph of a large model's heads
 * reduces the number of workers.
 */
const MOST_BOOTSTRAP_BYTES = 2 ** 30;

/** Setup of a worker. */
export interface MeasureSetup {
  shape: StatisticsShape;
  /** Number of tokens of the longest possible sequence. */
  maxTokens: number;
}

export type ToWorker = BatchOutputs | 'statistics';
export type FromWorker =
  | { kind: 'measured'; sequences: number; from: number; to: number }
  | { kind: 'failed'; code: ErrorCode; message: string }
  | { kind: 'statistics'; data: StatisticsData };

interface Slot {
  worker: Worker;
  waiting: number;
}

/**
 * Worker threads that measure batches while the engine runs the next one. Any worker may measure a
 * batch, because the statistics add up to the same bits.
 */
export class MeasurePool {
  /** Number of sequences measured so far. */
  measured = 0;
  private readonly slots: Slot[];
  private parts: HeadStatistics[] = [];
  private intervals: WorkInterval[] = [];
  private error: HifiError | undefined;
  private readonly waker = new Waker();

  constructor(
    private readonly setup: MeasureSetup,
    threads: number,
  ) {
    const { bootstrap, layers, heads } = setup.shape;
    const most = Math.max(1, Math.floor(MOST_BOOTSTRAP_BYTES / bootstrapBytes(bootstrap, layers, heads)));
    // Half the cores: the engine needs them too, and each worker compiles its own code.
    const workers = Math.min(Math.ceil(threads / 2), most);
    this.slots = Array.from({ length: workers }, () => ({ worker: this.start(), waiting: 0 }));
  }

  /** Returns the intervals of the batches that were measured since the last call. */
  takeIntervals(): WorkInterval[] {
    const { intervals } = this;
    this.intervals = [];
    return intervals;
  }

  /** True if a worker can take another batch. */
  get ready(): boolean {
    return this.slots.some((slot) => slot.waiting < QUEUE);
  }

  /** True if batches are still in work. */
  get busy(): boolean {
    return this.slots.some((slot) => slot.waiting > 0);
  }

  /**
   * Transfers a batch to the worker with the least to do. Its arrays are then empty here.
   *
   * @throws HifiError the first error of a worker
   */
  add(batch: BatchOutputs): void {
    if (this.error) throw this.error;
    const slot = this.slots.reduce((least, each) => (each.waiting < least.waiting ? each : least));
    slot.waiting++;
    slot.worker.postMessage(batch satisfies ToWorker, buffersOf(batch));
  }

  /**
   * Waits for the next message of a worker.
   *
   * @throws HifiError the first error of a worker
   */
  async change(): Promise<void> {
    if (!this.error) await this.waker.sleep();
    if (this.error) throw this.error;
  }

  /** Merges the workers' statistics so far. No worker may be busy. */
  async statistics(): Promise<HeadStatistics> {
    this.parts = [];
    for (const { worker } of this.slots) worker.postMessage('statistics' satisfies ToWorker);
    while (this.parts.length < this.slots.length) await this.change();
    const [total, ...others] = this.parts; // copies of the workers' own
    for (const part of others) total.merge(part);
    return total;
  }

  async close(): Promise<void> {
    await Promise.all(this.slots.map(({ worker }) => worker.terminate()));
  }

  private start(): Worker {
    // The file is that of the sources or of the build. The whole environment is passed on, because
    // NODE_OPTIONS has no effect otherwise.
    const worker = new Worker(require.resolve('./measure-worker'), { workerData: this.setup, env: { ...process.env } });
    worker.on('message', (message: FromWorker) => this.take(worker, message));
    worker.on('error', (cause: Error) => this.fail(failed(`a measuring thread failed: ${cause.message}`, cause)));
    return worker;
  }

  private take(worker: Worker, message: FromWorker): void {
    if (message.kind === 'failed') {
      this.fail(new HifiError(message.code, message.message));
    } else if (message.kind === 'measured') {
      const { sequences, from, to } = message;
      const at = this.slots.findIndex((slot) => slot.worker === worker);
      this.slots[at].waiting--;
      this.measured += sequences;
      this.intervals.push({ kind: 'interval', name: 'eigenvalues', from, to, attributes: { sequences, worker: at } });
    } else {
      this.parts.push(HeadStatistics.from(message.data));
    }
    this.waker.wake();
  }

  private fail(error: HifiError): void {
    this.error ??= error;
    this.waker.wake();
  }
}
