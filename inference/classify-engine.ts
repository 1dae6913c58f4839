import { cancelled } from '../foundation/errors';
import { follow } from '../foundation/follow';
import { crossed, Engine, type EngineOptions } from '../infra/engine';
import type { ClassifyCall } from './child';
import type { Outcome } from './classifier';
import type { ClassifyRequest, HeadAnswers } from './classify-request';
import { nextParts, type Part, type Waiting } from './waiting';
import { WARM_MEMORY, type WarmMemory } from './warm-memory';

const entry = require.resolve('./child');

export interface ClassifyEngineOptions extends Pick<EngineOptions, 'nice' | 'silenceMs'> {
  /** Default: {@link WARM_MEMORY}. */
  limits?: WarmMemory;
}

/**
 * Child process that classifies. An idle one runs a request at once; what arrives meanwhile is its
 * next call, a part of each request. What nobody waits for any more is not run, and a running call
 * ends between two batches.
 */
export class ClassifyEngine {
  private readonly engine: Engine;
  private readonly limits: WarmMemory;
  private waiting: Waiting[] = [];
  private running = false;

  constructor({ limits = WARM_MEMORY, ...options }: ClassifyEngineOptions = {}) {
    this.limits = limits;
    this.engine = new Engine({ entry, ...options });
  }

  /** Process id of the child; undefined if there is none. */
  get pid(): number | undefined {
    return this.engine.pid;
  }

  /** Number of texts that wait for an answer. */
  get waitingTexts(): number {
    return this.waiting.reduce((sum, { request, done }) => sum + request.texts.length - done, 0);
  }

  /**
   * @returns for each delta, or the tuned model, and each text its answer
   * @throws HifiError INVALID_INPUT for a model, delta or text that cannot be used; CANCELLED;
   *   ENGINE_LOST
   */
  classify(request: ClassifyRequest, signal?: AbortSignal): Promise<HeadAnswers[]> {
    return new Promise((resolve, reject) => {
      const leave = () => this.settle(waiting, () => reject(cancelled()));
      const over = () => signal?.removeEventListener('abort', leave);
      const waiting: Waiting = {
        request,
        done: 0,
        answers: [],
        resolve: (answers) => this.settle(waiting, () => resolve(answers), over),
        reject: (error) => this.settle(waiting, () => reject(error), over),
      };
      if (signal?.aborted) return reject(cancelled());
      signal?.addEventListener('abort', leave, { once: true });
      this.waiting.push(waiting);
      void this.run();
    });
  }

  close(): Promise<void> {
    return this.engine.close();
  }

  private settle(waiting: Waiting, ...steps: (() => void)[]): void {
    this.waiting = this.waiting.filter((each) => each !== waiting);
    for (const step of steps) step();
  }

  private async run(): Promise<void> {
    if (this.running) return;
    this.running = true;
    while (this.waiting.length > 0) await this.call(nextParts(this.waiting));
    this.running = false;
  }

  private async call(parts: readonly Part[]): Promise<void> {
    const call: ClassifyCall = { requests: parts.map(({ request }) => request), limits: this.limits };
    try {
      const outcomes = await follow(this.engine.call<undefined, Outcome[]>('classify', call), () => {
        if (!parts.some(({ of }) => this.waiting.includes(of))) throw cancelled();
      });
      for (const [i, { of, request }] of parts.entries()) take(of, outcomes[i], request.texts.length);
    } catch (error) {
      for (const { of } of parts) of.reject(error);
    }
  }
}

/** Adds the answers for a part of a request's texts. */
function take(waiting: Waiting, outcome: Outcome, texts: number): void {
  if ('error' in outcome) {
    waiting.reject(crossed(outcome.error));
    return;
  }
  const { answers } = waiting;
  for (const [head, { labels, rows }] of outcome.answers.entries()) {
    answers[head] = { labels, rows: [...(answers[head]?.rows ?? []), ...rows] };
  }
  waiting.done += texts;
  if (waiting.done === waiting.request.texts.length) waiting.resolve(answers);
}
