import { create } from '@bufbuild/protobuf';
import type { Call, Implementation } from '../../../infra/grpc/handlers';
import { AnalyzeResponseSchema, type AnalyzerService } from '../../../proto/gen/hifi/v1/analyzer_pb';

/** Observations about the calls of `trial`. */
export interface Seen {
  sent: number;
  aborted: number;
  ended: number;
}

/**
 * Service of the contract whose handlers exercise the transport. `model` selects the behaviour:
 * `count 5`, `wait` until cancelled, `fail` with an error.
 */
export function trial(seen: Seen, errors: Record<string, () => unknown> = {}): Implementation<typeof AnalyzerService> {
  const wait = (call: Call) =>
    new Promise<void>((resolve) => {
      call.signal.addEventListener('abort', () => {
        seen.aborted++;
        resolve();
      });
    });
  return {
    async *analyze({ model }, call) {
      const [word, count = '0'] = model.split(' ');
      if (word === 'fail') throw errors[count]();
      if (word === 'hurried') call.mostIdleMs = 200;
      try {
        const filling = 'x'.repeat(1 << 16);
        for (let i = 0; i < Number(count); i++) {
          yield create(AnalyzeResponseSchema, {
            event: { case: 'progress', value: { stage: filling, done: i, unit: '' } },
          });
          seen.sent++;
        }
        if (word === 'wait') await wait(call);
      } finally {
        seen.ended++;
      }
    },
    async mergeStatistics({ statistics }) {
      return { report: { samples: statistics.length } };
    },
    // biome-ignore lint/correctness/useYield: it fails before anything
    async *calibrateAnalysis() {
      throw new Error('not tried');
    },
    async describeModel({ model }, call) {
      if (model === 'wait') await wait(call);
      if (model.startsWith('fail ')) throw errors[model.slice(5)]();
      return { name: model };
    },
  };
}
