import { invalidInput } from '../foundation/errors';
import type { Architecture } from '../model/architecture';
import { architectureOf, ofTaskHead } from '../model/architectures';
import type { Checkpoint } from '../model/checkpoint';
import type { ModelConfig } from '../model/config';
import { DTYPE_NAMES, type FloatDtype } from '../model/rounding';
import type { DeltaTensor } from './delta';
import { labelsFit, outputsOf, type ProblemType, type TaskHeadInfo } from './delta-info';
import { taskHeadTensors } from './slices';

/** A task head that a checkpoint brings along. */
export interface StoredTaskHead {
  /** Whole tensors by canonical name, those of `taskHeadTensors`. */
  tensors: Map<string, DeltaTensor>;
  info: TaskHeadInfo;
}

/** Hugging Face's class of a family's sequence classifiers, e.g. `BertForSequenceClassification`. */
const classifierClass = (architecture: Architecture) => `${architecture.classPrefix}ForSequenceClassification`;

/** What that class calls a tensor or module: the base's under the family's prefix, the task head's own bare. */
export function classifierName(architecture: Architecture, canonical: string): string {
  if (ofTaskHead(architecture, canonical)) return canonical;
  return `${architecture.prefixes.find((prefix) => prefix !== '') ?? ''}${canonical}`;
}

/** config.json of a merged checkpoint: the base's own, but for what makes it this classifier. */
export function classifierConfig(
  config: ModelConfig,
  { id2label, problemType, task }: TaskHeadInfo,
  dtype: FloatDtype,
): Record<string, unknown> {
  const architecture = architectureOf(config);
  const labels = id2label ?? { 0: 'LABEL_0' };
  // `num_labels` follows from `id2label`; the others are what the base may say of another type or task.
  const { num_labels: _count, torch_dtype: _dtype, finetuning_task: _task, ...raw } = config.raw;
  return {
    ...raw,
    architectures: [classifierClass(architecture)],
    model_type: architecture.modelType,
    dtype: DTYPE_NAMES[dtype],
    ...(task === null ? {} : { finetuning_task: task }),
    id2label: labels,
    label2id: Object.fromEntries(Object.entries(labels).map(([id, label]) => [label, Number(id)])),
    problem_type: problemType,
  };
}

/**
 * The task head of a merged checkpoint or of another sequence classifier in Hugging Face's layout; undefined where the
 * checkpoint has none. What config.json leaves open is read as `transformers` does: labels `LABEL_0` …, a regression where
 * there is but one.
 *
 * @throws INVALID_INPUT for a head that does not fit its config, or that answers with several labels at once.
 */
export function readTaskHead(checkpoint: Checkpoint): StoredTaskHead | undefined {
  const { config, weights } = checkpoint;
  const architecture = architectureOf(config);
  const output = `${architecture.taskHead.output}.weight`;
  const { architectures } = config.raw;
  const otherClass = Array.isArray(architectures) && !architectures.includes(classifierClass(architecture));
  const stored = checkpoint.storedName(output);
  if (otherClass || stored === undefined) return undefined;

  const info = readTaskHeadInfo(checkpoint, weights.entry(stored).shape[0]);
  const tensors = new Map<string, DeltaTensor>();
  for (const { canonical, shape } of taskHeadTensors(config, outputsOf(info))) {
    const name = checkpoint.storedName(canonical);
    if (name === undefined)
      throw invalidInput(`${weights.path}: has no tensor "${canonical}", which its task head needs`);
    const found = weights.entry(name).shape;
    if (found.join() !== shape.join()) {
      throw invalidInput(
        `${weights.fileOf(name).path}: tensor "${name}" has shape [${found.join(', ')}]; config.json asks for [${shape.join(', ')}]`,
      );
    }
    tensors.set(canonical, { shape, values: checkpoint.tensor(canonical) });
  }
  return { tensors, info };
}

/**
 * What the logits of a folder's classifier mean, by its config.json.
 *
 * @param outputs logits a row
 * @throws INVALID_INPUT where config.json says something else, or that the model answers with several labels at once
 */
export function readTaskHeadInfo(
  { config, folder }: Pick<Checkpoint, 'config' | 'folder'>,
  outputs: number,
): TaskHeadInfo {
  const { raw } = config;
  const wrong = (field: string, right: string) =>
    invalidInput(`${folder}/config.json: ${field} is ${JSON.stringify(raw[field]) ?? 'missing'}; it must be ${right}`);
  const problem = raw.problem_type ?? (outputs === 1 ? 'regression' : 'single_label_classification');
  if (problem !== 'regression' && problem !== 'single_label_classification') {
    throw wrong('problem_type', '"single_label_classification" or "regression"');
  }
  const problemType: ProblemType = problem;
  const task = typeof raw.finetuning_task === 'string' ? raw.finetuning_task : null;
  if (problemType === 'regression') {
    if (outputs !== 1)
      throw wrong('problem_type', `"single_label_classification", as the task head has ${outputs} outputs`);
    return { id2label: null, problemType, task };
  }
  const id2label = (raw.id2label ?? defaultLabels(outputs)) as Record<string, string>;
  const labels = Object.values(id2label);
  if (
    labels.length !== outputs ||
    !labels.every((label) => typeof label === 'string') ||
    !labelsFit(id2label, problemType)
  ) {
    throw wrong(
      'id2label',
      `an object of ${outputs} different labels, numbered from "0", as the task head has so many outputs`,
    );
  }
  return { id2label, problemType, task };
}

const defaultLabels = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [String(i), `LABEL_${i}`]));
