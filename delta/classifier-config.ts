import { LABELS } from '../data/labels';
import { PROBLEM_TYPES, type ProblemType } from '../data/problem';
import { invalidInput } from '../foundation/errors';
import type { Architecture } from '../model/architecture';
import { architectureOf, ofTaskHead } from '../model/architectures';
import type { Checkpoint } from '../model/checkpoint';
import type { ModelConfig } from '../model/config';
import { DTYPE_NAMES, type FloatDtype } from '../model/rounding';
import type { DeltaTensor } from './delta';
import { labelsFit, outputsOf, STORED_PROBLEM_CHOICE, type TaskHeadInfo } from './delta-info';
import { PROBLEMS, problemStoredAs, STORED_PROBLEMS } from './problems';
import { taskHeadTensors } from './slices';

/** Task head of a checkpoint. */
export interface StoredTaskHead {
  /** Whole tensors by canonical name, as {@link taskHeadTensors} lists them. */
  tensors: Map<string, DeltaTensor>;
  info: TaskHeadInfo;
}

/**
 * Hugging Face's class of an architecture's models for a problem, such as
 * `BertForSequenceClassification`.
 */
const classifierClass = ({ classPrefix }: Architecture, problem: ProblemType) =>
  `${classPrefix}${PROBLEMS[problem].transformers.modelClass}`;

/**
 * Name of a tensor or module in that class: the base's have the family's prefix, the task head's
 * have none.
 */
export function classifierName(config: ModelConfig, canonical: string): string {
  if (ofTaskHead(config, canonical)) return canonical;
  return `${architectureOf(config).prefixes.find((prefix) => prefix !== '') ?? ''}${canonical}`;
}

/** Content of a merged checkpoint's config.json: the base's, with the fields of this classifier. */
export function classifierConfig(
  config: ModelConfig,
  { id2label, problemType, task }: TaskHeadInfo,
  dtype: FloatDtype,
): Record<string, unknown> {
  const architecture = architectureOf(config);
  const labels = id2label ?? { 0: 'LABEL_0' };
  // `num_labels` follows from `id2label`; the other two may describe the base's type or task.
  const { num_labels: _count, torch_dtype: _dtype, finetuning_task: _task, ...raw } = config.raw;
  return {
    ...raw,
    architectures: [classifierClass(architecture, problemStoredAs(problemType))],
    model_type: architecture.modelType,
    dtype: DTYPE_NAMES[dtype],
    ...(task === null ? {} : { finetuning_task: task }),
    id2label: labels,
    label2id: Object.fromEntries(Object.entries(labels).map(([id, label]) => [label, Number(id)])),
    problem_type: problemType,
  };
}

/**
 * Reads the task head of a merged checkpoint or of another sequence classifier in Hugging Face's
 * layout. Defaults of config.json are those of `transformers`: labels `LABEL_0` …, and a regression
 * if there is one output.
 *
 * @returns undefined if the checkpoint has no task head
 * @throws INVALID_INPUT if the head does not match its config, or predicts several labels at once
 */
export function readTaskHead(checkpoint: Checkpoint): StoredTaskHead | undefined {
  const { config, weights } = checkpoint;
  const architecture = architectureOf(config);
  const output = `${architecture.taskHead(config, 'sequence').output}.weight`;
  const { architectures } = config.raw;
  const known = PROBLEM_TYPES.map((problem) => classifierClass(architecture, problem));
  const otherClass = Array.isArray(architectures) && !known.some((name) => architectures.includes(name));
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
 * Reads the meaning of a classifier's logits from its folder's config.json.
 *
 * @param outputs number of logits per row
 * @throws INVALID_INPUT if config.json contradicts it, or the model predicts several labels at once
 */
export function readTaskHeadInfo(
  { config, folder }: Pick<Checkpoint, 'config' | 'folder'>,
  outputs: number,
): TaskHeadInfo {
  const { raw } = config;
  const wrong = (field: string, right: string) =>
    invalidInput(`${folder}/config.json: ${field} is ${JSON.stringify(raw[field]) ?? 'missing'}; it must be ${right}`);
  const implied = PROBLEMS[outputs === 1 ? 'regression' : 'single-label'].storedName;
  const problemType = STORED_PROBLEMS.find((name) => name === (raw.problem_type ?? implied));
  if (problemType === undefined) throw wrong('problem_type', STORED_PROBLEM_CHOICE);
  const task = typeof raw.finetuning_task === 'string' ? raw.finetuning_task : null;
  if (!LABELS[problemStoredAs(problemType)].named) {
    if (outputs !== 1) throw wrong('problem_type', `"${implied}", as the task head has ${outputs} outputs`);
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
