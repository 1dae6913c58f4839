import * as fs from 'node:fs';
import * as path from 'node:path';
import { LABELS } from '../data/labels';
import { PROBLEM_TYPES, type ProblemType } from '../data/problem';
import { invalidInput } from '../foundation/errors';
import type { Architecture } from '../model/architecture';
import { architectureOf, ofTaskHead } from '../model/architectures';
import type { Checkpoint } from '../model/checkpoint';
import type { ModelConfig } from '../model/config';
import { DTYPE_NAMES, type FloatDtype } from '../model/rounding';
import type { DeltaTensor } from './delta';
import { labelsFit, outputsOf, type TaskHeadInfo, taskHeadKindOf, thresholdsFit } from './delta-info';
import { PROBLEMS, problemStoredAs } from './problems';
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
  { id2label, problemType, thresholds, task }: TaskHeadInfo,
  dtype: FloatDtype,
): Record<string, unknown> {
  const architecture = architectureOf(config);
  const labels = id2label ?? { 0: 'LABEL_0' };
  // `num_labels` follows from `id2label`; the other two may describe the base's type or task.
  const { num_labels: _count, torch_dtype: _dtype, finetuning_task: _task, ...others } = config.raw;
  const { thresholds: _thresholds, sentence_transformers: _activation, ...raw } = others;
  const problem = problemStoredAs(problemType);
  return {
    ...raw,
    architectures: [classifierClass(architecture, problem)],
    model_type: architecture.modelType,
    dtype: DTYPE_NAMES[dtype],
    ...(task === null ? {} : { finetuning_task: task }),
    id2label: labels,
    label2id: Object.fromEntries(Object.entries(labels).map(([id, label]) => [label, Number(id)])),
    ...PROBLEMS[problem].config,
    ...(thresholds && { thresholds }),
    pad_token_id: config.padTokenId,
  };
}

/**
 * Text of a classifier's config.json. A whole number that the base's file writes as `2.0` stays so:
 * for some fields transformers 5 refuses an integer in place of a float.
 *
 * @param base folder of the base
 */
export function configText(base: string, config: Record<string, unknown>): string {
  const given = fs.readFileSync(path.join(base, 'config.json'), 'utf8');
  const floats = [...given.matchAll(/"([^"\\]+)"\s*:\s*(-?\d+\.0+)(?=\s*[,}])/g)];
  const spelled = new Map(floats.map(([, name, value]) => [`"${name}": ${Number(value)}`, `"${name}": ${value}`]));
  const text = JSON.stringify(config, null, 2);
  return `${text.replace(/"[^"\\]+": -?\d+(?=,?$)/gm, (field) => spelled.get(field) ?? field)}\n`;
}

/**
 * Reads the task head of a merged checkpoint or of another classifier in Hugging Face's
 * layout. Defaults of config.json are those of `transformers`: labels `LABEL_0` …, and a regression
 * if there is one output.
 *
 * @returns undefined if the checkpoint has no task head
 * @throws INVALID_INPUT if the head does not match its config
 */
export function readTaskHead(checkpoint: Checkpoint): StoredTaskHead | undefined {
  const { config, weights } = checkpoint;
  const architecture = architectureOf(config);
  const kind = isTokenClassifier(config) ? 'token' : 'sequence';
  const output = `${architecture.taskHead(config, kind).output}.weight`;
  const { architectures } = config.raw;
  const known = PROBLEM_TYPES.map((problem) => classifierClass(architecture, problem));
  const otherClass = Array.isArray(architectures) && !known.some((name) => architectures.includes(name));
  const stored = checkpoint.storedName(output);
  if (otherClass || stored === undefined) return undefined;

  const info = readTaskHeadInfo(checkpoint, weights.entry(stored).shape[0]);
  const tensors = new Map<string, DeltaTensor>();
  for (const { canonical, shape } of taskHeadTensors(config, outputsOf(info), taskHeadKindOf(info))) {
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

/** Returns true for a config.json whose class has logits for every token. */
function isTokenClassifier(config: ModelConfig): boolean {
  const { architectures } = config.raw;
  return Array.isArray(architectures) && architectures.includes(classifierClass(architectureOf(config), 'tokens'));
}

/**
 * Reads the meaning of a classifier's logits from its folder's config.json.
 *
 * @param outputs number of logits per row
 * @throws INVALID_INPUT if config.json contradicts it
 */
export function readTaskHeadInfo(
  { config, folder }: Pick<Checkpoint, 'config' | 'folder'>,
  outputs: number,
): TaskHeadInfo {
  const { raw } = config;
  const wrong = (field: string, right: string) =>
    invalidInput(`${folder}/config.json: ${field} is ${JSON.stringify(raw[field]) ?? 'missing'}; it must be ${right}`);
  const implied: ProblemType = outputs === 1 ? 'regression' : 'single-label';
  const problem = isTokenClassifier(config) ? 'tokens' : (configuredProblem(raw, outputs) ?? implied);
  if (problem === 'unknown') throw wrong('problem_type', CONFIGURED_CHOICE);
  const problemType = PROBLEMS[problem].storedName;
  const task = typeof raw.finetuning_task === 'string' ? raw.finetuning_task : null;
  if (!LABELS[problem].named) {
    const right = PROBLEMS[implied].config.problem_type;
    if (outputs !== 1) throw wrong('problem_type', `"${right}", as the task head has ${outputs} outputs`);
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
  const { thresholds } = raw as { thresholds?: number[] };
  const info = { id2label, problemType, ...(thresholds !== undefined && { thresholds }), task };
  const isShare = (value: unknown) => typeof value === 'number' && value >= 0 && value <= 1;
  if (thresholds === undefined || (Array.isArray(thresholds) && thresholds.every(isShare) && thresholdsFit(info))) {
    return info;
  }
  throw wrong('thresholds', `${outputs} numbers from 0 to 1, and only for multi_label_classification`);
}

/**
 * Problem that config.json names; undefined if it names none. CrossEncoder of sentence-transformers
 * marks its models by a field of its own. Those of one output answer a relevance, unless they name
 * a regression.
 */
function configuredProblem(raw: ModelConfig['raw'], outputs: number): ProblemType | 'unknown' | undefined {
  const isRegression = raw.problem_type === PROBLEMS.regression.config.problem_type;
  if (raw.sentence_transformers !== undefined && outputs === 1 && !isRegression) return 'relevance';
  if (raw.problem_type === undefined || raw.problem_type === null) return undefined;
  return PROBLEM_TYPES.find((problem) => PROBLEMS[problem].config.problem_type === raw.problem_type) ?? 'unknown';
}

/** Values of `problem_type`, for messages. */
const CONFIGURED_CHOICE = [...new Set(PROBLEM_TYPES.map((problem) => PROBLEMS[problem].config.problem_type))]
  .map((name) => `"${name}"`)
  .join(' or ');

const defaultLabels = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [String(i), `LABEL_${i}`]));
