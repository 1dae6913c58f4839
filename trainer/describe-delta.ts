import type { LabelSet } from '../data/labels';
import type { TaskName } from '../data/tasks';
import type { DeltaInfo } from '../delta/delta-info';
import type { TrainOptions } from '../delta/training-options';
import type { Mask } from '../heads/mask';
import type { Checkpoint } from '../model/checkpoint';

/** What delta.json tells of a training. Where it ran is no part of it. */
export function describeDelta(
  { name, sha256, config }: Checkpoint,
  mask: Mask,
  labels: LabelSet,
  task: TaskName | undefined,
  { device, threads, ...options }: TrainOptions,
): DeltaInfo {
  return {
    schemaVersion: 1,
    base: { name, sha256, architecture: config.architecture },
    mask,
    id2label: labels.kind === 'classes' ? Object.fromEntries(labels.names.map((label, i) => [i, label])) : null,
    problemType: labels.kind === 'classes' ? 'single_label_classification' : 'regression',
    task: task ?? null,
    options,
    seed: options.seed,
  };
}
