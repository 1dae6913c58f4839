import { Worker } from 'node:worker_threads';
import { type ErrorCode, failed, HifiError } from '../foundation/errors';
import type { WorkInterval } from '../foundation/progress';
import { Waker } from '../foundation/waker';
import { bootstrapBytes } from './bootstrap';
import { buffersOf } from './hand-over';
import type { BatchOutputs } from './measure';
import { HeadStatistics, type StatisticsData, type StatisticsShape } from './statistics';

/** Batches that a worker may have before it: one in work, one to go on with. */
const QUEUE = 2;

/** What the replicates' sums of all workers may take; with a graph of a large model's heads there are then fewer workers. */
const MOST_BOOTSTRAP_BYTES = 2 ** 30;

export interface MeasureSetup {
  shape: StatisticsShape;
  /** Tokens of the longest sequence that may come. */
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
 * Worker threads that measure batches while the next one is in the engine. Which worker gets a batch does not matter: the
 * statistics add up to the same bits.
 */
export class MeasurePool {
  /** Sequences measured so far. */
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
    // Half the cores: the engine wants them too, and each worker has to compile what it runs.
    const workers = Math.min(Math.ceil(threads / 2), most);
    this.slots = Array.from({ length: workers }, () => ({ worker: this.start(), waiting: 0 }));
  }

  /** When the batches were measured that have been since this was last asked. */
  takeIntervals(): WorkInterval[] {
    const { intervals } = this;
    this.intervals = [];
    return intervals;
  }

  /** Whether a worker can take another batch. */
  get ready(): boolean {
    return this.slots.some((slot) => slot.waiting < QUEUE);
  }

  /** Whether batches are still in work. */
  get busy(): boolean {
    return this.slots.some((slot) => slot.waiting > 0);
  }

  /**
   * Hands a batch over to the worker with the least to do: its arrays are empty here from now on.
   *
   * @throws HifiError the first error of a worker.
   */
  add(batch: BatchOutputs): void {
    if (this.error) throw this.error;
    const slot = this.slots.reduce((least, each) => (each.waiting < least.waiting ? each : least));
    slot.waiting++;
    slot.worker.postMessage(batch satisfies ToWorker, buffersOf(batch));
  }

  /**
   * Waits until a worker says something.
   *
   * @throws HifiError the first error of a worker.
   */
  async change(): Promise<void> {
    if (!this.error) await this.waker.sleep();
    if (this.error) throw this.error;
  }

  /** The workers' statistics so far as one; to be called when none is busy. */
  async statistics(): Promise<HeadStatistics> {
    this.parts = [];
    for (const { worker } of this.slots) worker.postMessage('statistics' satisfies ToWorker);
    while (this.parts.length < this.slots.length) await this.change();
    const [total, ...others] = this.parts; // copies: the workers keep their own
    for (const part of others) total.merge(part);
    return total;
  }

  async close(): Promise<void> {
    await Promise.all(this.slots.map(({ worker }) => worker.terminate()));
  }

  private start(): Worker {
    // The neighbour file, whichever of the sources and the build this is; the environment is passed on whole because
    // NODE_OPTIONS is heeded only then.
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
