import type { Judgement, Target, Targets } from '../data/label-reading';
import { type LabelSet, PROBLEM_TYPES, type ProblemType } from '../data/problem';
import { rowsByLabel } from '../data/several-labels';
import type { TaskName } from '../data/tasks';
import type { TaskHeadKind } from '../model/architecture';
import { isIob2 } from './entities';
import type { Prediction } from './inference-options';
import { argmax, type MetricName, type Metrics, metricsFor, type Predicted } from './metrics';
import type { Logits } from './row-logits';
import { bestThresholds, labelsAbove, sigmoid } from './thresholds';
import { type AnsweredRow, isAnswered, logitsOfWord, tagsOfWords, wordAnswer } from './word-answers';

/** Name of a problem in delta.json (`problemType`). */
export type StoredProblem =
  | 'single_label_classification'
  | 'multi_label_classification'
  | 'regression'
  | 'token_classification'
  | 'relevance';

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

const TOKEN_CLASSIFICATION: TransformersNames = {
  modelClass: 'ForTokenClassification',
  peftTask: 'TOKEN_CLS',
  pipeline: 'token-classification',
};

/** Field of config.json for CrossEncoder of sentence-transformers. */
interface CrossEncoderConfig {
  /** Function that it applies to the logits. */
  readonly activation_fn: string;
}

/** Leaves the logits as they are. Without it, CrossEncoder applies the sigmoid to a single one. */
const IDENTITY: CrossEncoderConfig = { activation_fn: 'torch.nn.modules.linear.Identity' };
const SIGMOID: CrossEncoderConfig = { activation_fn: 'torch.nn.modules.activation.Sigmoid' };

/** Meaning of a problem's logits. Each problem's methods receive its own targets. */
interface LogitMeaning {
  readonly storedName: StoredProblem;
  /** Fields of config.json that tell a pipeline what the logits are. */
  readonly config: { readonly problem_type?: string; readonly sentence_transformers?: CrossEncoderConfig };
  readonly transformers: TransformersNames;
  /** Rows that the task head has logits for. */
  readonly taskHead: TaskHeadKind;
  /** Metrics for rows of no task, the deciding one first. */
  metrics(names: readonly string[]): readonly MetricName[];
  /** Prediction for a row, as metrics take it. @param logits // [C] */
  predict(logits: Float32Array, labels: LabelSet): Predicted;
  /** True if all of a prediction is right; absent if predictions are free numbers. */
  isRight?(predicted: Predicted, target: Target): boolean;
  /** Answer of `hifi predict` for a row. @param logits // [C] */
  answer(logits: Float32Array, labels: LabelSet, row: AnsweredRow): Omit<Prediction, 'row' | 'logits'>;
  /** Loss of a row, in float64; the sum if it has several answers. @param logits // [C] */
  loss(logits: Float32Array, target: Target): number;
  /** Number of a row's answers that the mean loss counts. Default: 1. */
  answers?(logits: Float32Array, target: Target): number;
  /** Thresholds that are best on some rows; absent if a problem has none. // [C] */
  thresholds?(logits: Logits, targets: Targets): number[];
  /** Weights that let each label count alike; absent if a problem has no label weights. // [C] */
  balancedWeights?(targets: Targets, labels: LabelSet): number[];
  /** True if the targets may be smoothed. */
  readonly smooths: boolean;
}

/** Logits of each problem. */
export const PROBLEMS: Readonly<Record<ProblemType, LogitMeaning>> = {
  'single-label': {
    storedName: 'single_label_classification',
    config: { problem_type: 'single_label_classification' },
    transformers: SEQUENCE_CLASSIFICATION,
    taskHead: 'sequence',
    metrics: ({ length }) => (length === 2 ? ['accuracy', 'f1'] : ['accuracy']),
    predict: argmax,
    isRight: (predicted, target) => predicted === target,
    answer: (logits, { names }) => ({ label: names[argmax(logits)] }),
    loss: crossEntropy,
    balancedWeights: balancedClasses,
    smooths: true,
  },
  'multi-label': {
    storedName: 'multi_label_classification',
    config: { problem_type: 'multi_label_classification' },
    transformers: SEQUENCE_CLASSIFICATION,
    taskHead: 'sequence',
    metrics: () => ['f1_micro', 'f1_macro', 'subset_accuracy'],
    predict: labelsAbove,
    isRight: sameEverywhere,
    answer: (logits, labels) => {
      const chosen = labelsAbove(logits, labels);
      return {
        labels: labels.names.filter((_, label) => chosen[label] === 1),
        probabilities: Array.from(logits, sigmoid),
      };
    },
    loss: (logits, target: Uint8Array) =>
      logits.reduce((sum, logit, label) => sum + binaryCrossEntropy(logit, target[label]), 0) / logits.length,
    thresholds: bestThresholds,
    balancedWeights: negativesPerPositive,
    smooths: true,
  },
  regression: {
    storedName: 'regression',
    config: { problem_type: 'regression', sentence_transformers: IDENTITY },
    transformers: SEQUENCE_CLASSIFICATION,
    taskHead: 'sequence',
    metrics: () => ['pearson', 'spearman', 'mse'],
    predict: ([value]) => value,
    answer: ([value]) => ({ label: value }),
    loss: ([value], target: number) => (value - target) ** 2,
    smooths: false,
  },
  tokens: {
    storedName: 'token_classification',
    // `transformers` has no type of problem for tokens.
    config: {},
    transformers: TOKEN_CLASSIFICATION,
    taskHead: 'token',
    smooths: true,
    metrics: (names) => (isIob2(names) ? ['entity_f1'] : ['word_accuracy']),
    predict: tagsOfWords,
    isRight: sameEverywhere,
    answer: wordAnswer,
    loss: (logits, target: Int32Array) =>
      target.reduce((sum, tag, word) => {
        const ofWord = logitsOfWord(logits, target.length, word);
        return isAnswered(ofWord) ? sum + crossEntropy(ofWord, tag) : sum;
      }, 0),
    answers: (logits, target: Int32Array) =>
      target.filter((_, word) => isAnswered(logitsOfWord(logits, target.length, word))).length,
  },
  relevance: {
    storedName: 'relevance',
    // The one label's probability.
    config: { problem_type: 'multi_label_classification', sentence_transformers: SIGMOID },
    transformers: SEQUENCE_CLASSIFICATION,
    taskHead: 'sequence',
    metrics: () => ['ndcg_at_10', 'mrr_at_10', 'average_precision'],
    predict: ([logit]) => logit,
    answer: ([logit]) => ({ score: sigmoid(logit) }),
    loss: ([logit], { relevance }: Judgement) => binaryCrossEntropy(logit, relevance),
    smooths: true,
  },
};

function sameEverywhere(predicted: Uint8Array | Int32Array, target: Uint8Array | Int32Array): boolean {
  return predicted.every((value, i) => value === target[i]);
}

function crossEntropy(logits: Float32Array, target: number): number {
  const highest = logits.reduce((a, b) => Math.max(a, b));
  const exponentials = logits.reduce((total, logit) => total + Math.exp(logit - highest), 0);
  return Math.log(exponentials) + highest - logits[target];
}

const binaryCrossEntropy = (logit: number, target: number) =>
  Math.max(logit, 0) - logit * target + Math.log1p(Math.exp(-Math.abs(logit)));

/**
 * Rows / (classes · rows of the class), as scikit-learn's `balanced`; 1 for a class without rows.
 */
function balancedClasses(targets: ArrayLike<number>, { names }: LabelSet): number[] {
  const rows = new Int32Array(names.length);
  for (let row = 0; row < targets.length; row++) rows[targets[row]]++;
  return Array.from(rows, (count) => (count === 0 ? 1 : targets.length / (names.length * count)));
}

/** Rows without a label / rows with it; 1 for a label that all or no rows have. */
function negativesPerPositive(targets: ArrayLike<Uint8Array>): number[] {
  const rows = targets.length;
  return Array.from(rowsByLabel(targets), (count) => (count === 0 || count === rows ? 1 : (rows - count) / count));
}

export const STORED_PROBLEMS = PROBLEM_TYPES.map((problem) => PROBLEMS[problem].storedName);

/** The problem that a file names. */
export const problemStoredAs = (name: StoredProblem): ProblemType => PROBLEM_TYPES[STORED_PROBLEMS.indexOf(name)];

/** Metrics of a task; for rows of no task, those of the problem. */
export const metricsOf = (task: TaskName | null | undefined, { problem, names }: LabelSet): Metrics =>
  metricsFor(task, PROBLEMS[problem].metrics(names), names);
