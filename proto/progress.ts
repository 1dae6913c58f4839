import { create } from '@bufbuild/protobuf';
import type { StageProgress } from '../foundation/progress';
import { type Progress, ProgressSchema } from './gen/hifi/v1/progress_pb';

/** Converts progress to its message. The tokens are only for the process that runs the engine. */
export function progressMessage({ kind: _kind, tokens: _tokens, ...progress }: StageProgress): Progress {
  return create(ProgressSchema, progress);
}

export function progressOf({ stage, done = 0, total = 1, unit, ...measured }: Progress): StageProgress {
  return {
    kind: 'progress',
    stage,
    done,
    total,
    unit,
    ...(measured.rate !== undefined && { rate: measured.rate }),
    ...(measured.remainingSeconds !== undefined && { remainingSeconds: measured.remainingSeconds }),
    ...(measured.loss !== undefined && { loss: measured.loss }),
    ...(measured.lr !== undefined && { lr: measured.lr }),
  };
}
