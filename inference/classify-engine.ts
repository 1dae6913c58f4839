import { cancelled } from '../foundation/errors';
import { follow } from '../foundation/follow';
import { Engine, type EngineOptions } from '../infra/engine';
import type { Classified, ClassifyRequest } from './classify-request';

const entry = require.resolve('./child');

/** Request that waits for the engine. */
interface Waiting {
  request: ClassifyRequest;
  resolve(answers: Classified[][]): void;
  reject(error: unknown): void;
}

/**
 * Child process that classifies. An idle one runs a request at once; requests that arrive meanwhile
 * are its next call together. A request that nobody waits for any more is not run.
 */
export class ClassifyEngine {
  private readonly engine: Engine;
  private waiting: Waiting[] = [];
  private running = false;

  constructor(options: Pick<EngineOptions, 'nice' | 'silenceMs' | 'idleMs'> = {}) {
    this.engine = new Engine({ entry, ...options });
  }

  /** @returns for each delta and text its answer */
  classify(request: ClassifyRequest, signal?: AbortSignal): Promise<Classified[][]> {
    return new Promise((resolve, reject) => {
      const waiting = { request, resolve, reject };
      const leave = () => {
        this.waiting = this.waiting.filter((each) => each !== waiting);
        reject(cancelled());
      };
      if (signal?.aborted) return leave();
      signal?.addEventListener('abort', leave, { once: true });
      this.waiting.push(waiting);
      void this.run();
    });
  }

  close(): Promise<void> {
    return this.engine.close();
  }

  private async run(): Promise<void> {
    if (this.running) return;
    this.running = true;
    while (this.waiting.length > 0) {
      const batch = this.waiting;
      this.waiting = [];
      await this.together(batch);
    }
    this.running = false;
  }

  /** Runs requests in one call; after an error each by itself, so that it meets its own request. */
  private async together(batch: readonly Waiting[]): Promise<void> {
    try {
      const requests = batch.map(({ request }) => request);
      const answers = await follow(this.engine.call<never, Classified[][][]>('classify', requests), () => {});
      batch.forEach(({ resolve }, i) => {
        resolve(answers[i]);
      });
    } catch (error) {
      if (batch.length === 1) batch[0].reject(error);
      else for (const each of batch) await this.together([each]);
    }
  }
}
