import { create } from '@bufbuild/protobuf';
import type { StageProgress } from '../foundation/progress';
import { type Progress, ProgressSchema } from './gen/hifi/v1/progress_pb';

/** Most units that a message can count. */
const MOST_UNITS = 2 ** 32 - 1;
/** Bytes of the unit for more. */
const MEGABYTE = 1e6;

/**
 * Converts progress to its message; more bytes than it can count become megabytes. The tokens are
 * only for the process that runs the engine.
 */
export function progressMessage({ kind: _kind, tokens: _tokens, ...progress }: StageProgress): Progress {
  const { done, total, unit, rate } = progress;
  if (total <= MOST_UNITS || unit !== 'bytes') return create(ProgressSchema, progress);
  const inMegabytes = { done: Math.floor(done / MEGABYTE), total: Math.ceil(total / MEGABYTE), unit: 'MB' };
  return create(ProgressSchema, {
    ...progress,
    ...inMegabytes,
    ...(rate !== undefined && { rate: rate / MEGABYTE }),
  });
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
