import type { LabelSet } from '../data/problem';
import type { TaskName } from '../data/tasks';
import type { DeltaInfo } from '../delta/delta-info';
import { PROBLEMS } from '../delta/problems';
import type { TrainOptions } from '../delta/training-options';
import { changedParts, type FurtherTuning } from '../delta/tuning';
import type { Mask } from '../heads/mask';
import type { Checkpoint } from '../model/checkpoint';

/** Describes a training for delta.json. What changes no parameter is no part of it. */
export function describeDelta(
  { name, sha256, config }: Checkpoint,
  mask: Mask,
  { problem, names, thresholds }: LabelSet,
  task: TaskName | undefined,
  { device, threads, omitTexts, ...options }: TrainOptions & { lr: number },
  further?: FurtherTuning,
): DeltaInfo {
  return {
    schemaVersion: 1,
    base: { name, sha256, architecture: config.architecture },
    mask,
    ...(further && { parts: changedParts(config, further) }),
    id2label: names.length > 0 ? Object.fromEntries(names.map((label, i) => [i, label])) : null,
    problemType: PROBLEMS[problem].storedName,
    ...(thresholds && { thresholds: [...thresholds] }),
    task: task ?? null,
    options,
    seed: options.seed,
  };
}
