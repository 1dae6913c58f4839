import * as path from 'node:path';
import type { Dataset, Label } from '../../data/dataset';
import { encodeLabels, fitLabels, LABELS } from '../../data/labels';
import { logitCount, PROBLEM_TYPES, type ProblemType } from '../../data/problem';
import { labelArguments } from '../../delta/adapter-card';
import { classifierConfig, readTaskHeadInfo } from '../../delta/classifier-config';
import { formatDeltaInfo, labelsOf, parseDeltaInfo } from '../../delta/delta-info';
import { predictions, rowOf, score } from '../../delta/logits';
import { metricsOf, PROBLEMS, problemStoredAs } from '../../delta/problems';
import { TRAIN_DEFAULTS } from '../../delta/training-options';
import { openCheckpoint } from '../../model/checkpoint';
import { describeDelta } from '../../trainer/describe-delta';
import { FIXTURES } from '../support/deltas';
import { maskOf } from '../trainer/runs';

/** Rows of each problem, and what a model that is right says of them. */
const ROWS: Record<ProblemType, { labels: Label[]; logits: number[][]; answers: object[]; loss: number }> = {
  'single-label': {
    labels: ['b', 'a', 'c', 'a'],
    logits: [
      [0, 2, 0],
      [2, 0, 0],
      [0, 0, 2],
      [2, 0, 0],
    ],
    answers: [{ label: 'b' }, { label: 'a' }, { label: 'c' }, { label: 'a' }],
    loss: Math.log(Math.exp(2) + 2) - 2,
  },
  'multi-label': {
    labels: [['b', 'a'], [], ['c'], ['a']],
    logits: [
      [2, 2, -2],
      [-2, -2, -2],
      [-2, -2, 2],
      [2, -2, -2],
    ],
    answers: [['a', 'b'], [], ['c'], ['a']].map((labels) => ({
      labels,
      probabilities: ['a', 'b', 'c'].map((name) => 1 / (1 + Math.exp(labels.includes(name) ? -2 : 2))),
    })),
    loss: Math.log1p(Math.exp(-2)),
  },
  relevance: {
    labels: ['1', '0', '0.5', '0'],
    logits: [[2], [-2], [0], [-2]],
    answers: [2, -2, 0, -2].map((logit) => ({ score: 1 / (1 + Math.exp(-logit)) })),
    loss: (3 * Math.log1p(Math.exp(-2)) + Math.log(2)) / 4,
  },
  tokens: {
    labels: [['B-x'], ['O'], ['B-x']],
    logits: [
      [2, 0],
      [0, 2],
      [2, 0],
    ],
    answers: [{ tags: ['B-x'] }, { tags: ['O'] }, { tags: ['B-x'] }],
    loss: Math.log1p(Math.exp(-2)),
  },
  regression: {
    labels: ['1', '-2.5', '0'],
    logits: [[1], [-2.5], [0]],
    answers: [{ label: 1 }, { label: -2.5 }, { label: 0 }],
    loss: 0,
  },
};

describe.each(PROBLEM_TYPES)('%s, from labels to answers and files', (problem) => {
  const { labels, logits, answers, loss } = ROWS[problem];
  const texts = labels.map((_, row) => `query ${row % 2}`);
  const dataset: Dataset = {
    ...{ path: 'rows.tsv', sha256: '', texts, seconds: texts, labels, rows: labels.length, skipped: 0, problem },
  };
  const set = fitLabels(dataset);
  const targets = encodeLabels(dataset, set);

  test('labels become targets, and as many logits', () => {
    expect(set.problem).toBe(problem);
    expect(set.names.length > 0).toBe(LABELS[problem].named);
    expect(targets).toHaveLength(labels.length);
    expect(logitCount(set)).toBe(logits[0].length);
  });

  test('logits become answers, metrics and a loss', () => {
    const words = LABELS[problem].words && Int32Array.from({ length: logits.length + 1 }, (_, row) => row);
    const rows = { values: Float32Array.from(logits.flat()), outputs: logitCount(set), words };
    const predicted = Array.from(predictions(rows, set));
    if (problem !== 'relevance') expect(predicted).toEqual(Array.from(targets));
    expect(
      labels.map((_, row) =>
        PROBLEMS[problem].answer(rowOf(rows, row), set, { text: texts[row], words: [texts[row]] }),
      ),
    ).toEqual(answers);
    const metrics = metricsOf(undefined, set);
    const values = score(rows, targets, set, metrics);
    expect(Object.keys(values)).toEqual([...metrics.names, 'loss']);
    expect(values[metrics.best]).toBeCloseTo(1, 12);
    expect(values.loss).toBeCloseTo(loss, 12);
  });

  test('files name it, and are read as it', async () => {
    const model = path.join(FIXTURES, 'tiny-bert');
    const checkpoint = await openCheckpoint(model);
    checkpoint.close();
    const info = describeDelta(checkpoint, await maskOf([[0]], 'qkv', model), set, undefined, TRAIN_DEFAULTS);
    const { id2label, problemType, task } = parseDeltaInfo(formatDeltaInfo(info), 'delta.json');
    expect(problemStoredAs(problemType)).toBe(problem);
    expect(labelsOf({ id2label, problemType })).toEqual(set);
    const raw = classifierConfig(checkpoint.config, info, 'F32');
    expect(raw.architectures).toEqual([`Bert${PROBLEMS[problem].transformers.modelClass}`]);
    const folder = { folder: model, config: { ...checkpoint.config, raw } };
    expect(readTaskHeadInfo(folder, logitCount(set))).toEqual({ id2label, problemType, task });
    expect(labelArguments(info)).toContain(`num_labels=${logitCount(set)}`);
  });
});

test.each([
  ['activation.Sigmoid', 'multi_label_classification', 'relevance'],
  ['activation.Sigmoid', undefined, 'relevance'],
  [undefined, undefined, 'relevance'],
  ['linear.Identity', 'regression', 'regression'],
  ['linear.Identity', undefined, 'relevance'], // rerankers of others
])('a CrossEncoder of one output with %s and problem_type %s is a %s', async (name, problem_type, problemType) => {
  const folder = path.join(FIXTURES, 'tiny-bert');
  const { config, close } = await openCheckpoint(folder);
  close();
  const sentence_transformers = { version: '4.0.1', ...(name && { activation_fn: `torch.nn.modules.${name}` }) };
  const raw = { ...config.raw, problem_type, sentence_transformers };
  expect(readTaskHeadInfo({ folder, config: { ...config, raw } }, 1).problemType).toBe(problemType);
});
