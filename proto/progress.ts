import { create } from '@bufbuild/protobuf';
import type { StageProgress } from '../foundation/progress';
import { type Progress, ProgressSchema } from './gen/hifi/v1/progress_pb';

/** Its tokens are for whoever runs the engine. */
export function progressMessage({ kind: _kind, tokens: _tokens, ...progress }: StageProgress): Progress {
  return create(ProgressSchema, progress);
}

export function progressOf({ stage, done = 0, total = 1, unit, ...told }: Progress): StageProgress {
  return {
    kind: 'progress',
    stage,
    done,
    total,
    unit,
    ...(told.rate !== undefined && { rate: told.rate }),
    ...(told.remainingSeconds !== undefined && { remainingSeconds: told.remainingSeconds }),
    ...(told.loss !== undefined && { loss: told.loss }),
  };
}
