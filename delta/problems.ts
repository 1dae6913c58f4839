import { type LabelSet, PROBLEM_TYPES, type ProblemType } from '../data/problem';
import type { TaskName } from '../data/tasks';
import type { Prediction } from './inference-options';
import { argmax, type MetricName, type Metrics, metricsFor } from './metrics';

/** Name of a problem in delta.json (`problemType`) and in config.json (`problem_type`). */
export type StoredProblem = 'single_label_classification' | 'regression';

/** Names that Hugging Face's libraries have for models with a kind of task head. */
interface TransformersNames {
  /** End of a checkpoint's class. Its start is the family's, or `AutoModel`. */
  readonly modelClass: string;
  /** Task of a PEFT adapter. */
  readonly peftTask: string;
  /** Task of a pipeline, and of a model card. */
  readonly pipeline: string;
}

const SEQUENCE_CLASSIFICATION: TransformersNames = {
  modelClass: 'ForSequenceClassification',
  peftTask: 'SEQ_CLS',
  pipeline: 'text-classification',
};

/** Meaning of a problem's logits. */
interface LogitMeaning {
  readonly storedName: StoredProblem;
  readonly transformers: TransformersNames;
  /** Metrics for rows of no task, the deciding one first. */
  metrics(names: readonly string[]): readonly MetricName[];
  /** Prediction for a row, as metrics take it: a class index or a value. @param logits // [C] */
  predict(logits: Float32Array): number;
  /** Answer of `hifi predict` for a row. @param logits // [C] */
  answer(logits: Float32Array, names: readonly string[]): Omit<Prediction, 'row' | 'logits'>;
  /** Loss of a row, in float64. @param logits // [C] */
  loss(logits: Float32Array, target: number): number;
}

/** Logits of each problem. */
export const PROBLEMS: Readonly<Record<ProblemType, LogitMeaning>> = {
  'single-label': {
    storedName: 'single_label_classification',
    transformers: SEQUENCE_CLASSIFICATION,
    metrics: ({ length }) => (length === 2 ? ['accuracy', 'f1'] : ['accuracy']),
    predict: argmax,
    answer: (logits, names) => ({ label: names[argmax(logits)] }),
    loss: crossEntropy,
  },
  regression: {
    storedName: 'regression',
    transformers: SEQUENCE_CLASSIFICATION,
    metrics: () => ['pearson', 'spearman', 'mse'],
    predict: ([value]) => value,
    answer: ([value]) => ({ label: value }),
    loss: ([value], target) => (value - target) ** 2,
  },
};

function crossEntropy(logits: Float32Array, target: number): number {
  const highest = logits.reduce((a, b) => Math.max(a, b));
  const exponentials = logits.reduce((total, logit) => total + Math.exp(logit - highest), 0);
  return Math.log(exponentials) + highest - logits[target];
}

export const STORED_PROBLEMS = PROBLEM_TYPES.map((problem) => PROBLEMS[problem].storedName);

/** The problem that a file names. */
export const problemStoredAs = (name: StoredProblem): ProblemType => PROBLEM_TYPES[STORED_PROBLEMS.indexOf(name)];

/** Metrics of a task; for rows of no task, those of the problem. */
export const metricsOf = (task: TaskName | null | undefined, { problem, names }: LabelSet): Metrics =>
  metricsFor(task, PROBLEMS[problem].metrics(names));
