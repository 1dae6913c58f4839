import * as fs from 'node:fs';
import * as path from 'node:path';
import type { DataSource } from '../../data/dataset';
import { readDelta } from '../../delta/delta';
import type { EvaluateRequest, Prediction } from '../../delta/inference-options';
import type { TrainMetrics, TrainRequest } from '../../delta/training-options';
import { follow } from '../../foundation/follow';
import { loadTensorFlow } from '../../infra/tensorflow';
import { scoreHeads } from '../../trainer/score';
import { evaluate, exportModel, predict } from '../../trainer/training-engine';
import { asJsonLines } from '../support/entity-rows';
import { SEVERAL as LABELS, PROBLEM_ROWS } from '../support/problem-rows';
import { deltaHash, model, runs } from './runs';

const tf = loadTensorFlow();
const { folder, request, finish } = runs(tf);
const options = { batchSize: 16, maxLength: 32, device: 'cpu' as const };
const seeded = { epochs: 3, batchSize: 16, lr: 5e-3, maxLength: 32, seed: 3 };

/** Seeded sentences with both forms of labels. */
function severalRows(): { listed: DataSource; byColumn: DataSource } {
  const rows = PROBLEM_ROWS['multi-label'](120).map(({ text, label }) => ({ text, y: label as string[] }));
  const at = folder();
  const write = (name: string, lines: object[]) => {
    const file = path.join(at, name);
    fs.writeFileSync(file, asJsonLines(lines));
    return { path: file, textColumns: ['text'], problem: 'multi-label' as const };
  };
  const columns = rows.map(({ text, y }) => ({
    text,
    ...Object.fromEntries(LABELS.map((label) => [label, Number(y.includes(label))])),
  }));
  return {
    listed: { ...write('lists.jsonl', rows), labelColumn: 'y' },
    byColumn: { ...write('columns.jsonl', columns), labelColumns: LABELS },
  };
}

/** Queries with eight answers each. */
function relevanceRows(): DataSource {
  const lines = PROBLEM_ROWS.relevance(160).map(({ text, second, label }) => [text, second, label].join('\t'));
  const file = path.join(folder(), 'pairs.tsv');
  fs.writeFileSync(file, ['q\ta\ty', ...lines].map((line) => `${line}\n`).join(''));
  return { path: file, textColumns: ['q', 'a'], labelColumn: 'y', problem: 'relevance' };
}

const resultOf = <T>(events: AsyncGenerator<unknown, T>) => follow(events, () => {});

async function predicted(tuned: Omit<EvaluateRequest, 'options'>): Promise<Prediction[]> {
  const all: Prediction[] = [];
  await follow(predict({ ...tuned, options }), (event) => {
    if (event.kind === 'rows') all.push(...event.rows);
  });
  return all;
}

/** Checks that the exports of a delta answer as the delta does. */
async function exportsAgree(delta: string, data: DataSource): Promise<Prediction[]> {
  const expected = await predicted({ model, delta, data });
  for (const format of ['checkpoint', 'onnx'] as const) {
    const out = path.join(folder(), format);
    await resultOf(exportModel({ format, model, delta, out }));
    const found = await predicted({ model: out, data });
    expect(found.map(({ row, label, labels }) => ({ row, label, labels }))).toEqual(
      expected.map(({ row, label, labels }) => ({ row, label, labels })),
    );
    found.forEach(({ logits }, row) => {
      logits.forEach((logit, i) => {
        expect(Math.abs(logit - expected[row].logits[i])).toBeLessThan(1e-4);
      });
    });
  }
  return expected;
}

const trained = async (
  train: DataSource,
  more: object = {},
): Promise<{ what: TrainRequest; metrics: TrainMetrics }> => {
  const what = await request({ train, dev: undefined, options: { ...seeded, ...more } });
  return { what, metrics: (await finish(what)).metrics };
};

test('several labels per row, from both forms of labels to exports', async () => {
  const { listed, byColumn } = severalRows();
  const { what, metrics } = await trained(listed);
  expect(metrics.metric).toBe('f1_micro');
  const best = metrics.epochs[metrics.best.epoch - 1];
  expect(Object.keys(best.dev)).toEqual(['f1_micro', 'f1_macro', 'subset_accuracy', 'loss']);
  expect(best.thresholds).toHaveLength(3);
  const other = await trained(byColumn);
  expect(deltaHash(other.what.out)).toBe(deltaHash(what.out));

  const delta = path.join(what.out, 'delta');
  const { info } = readDelta(delta);
  expect(info).toMatchObject({ problemType: 'multi_label_classification', thresholds: best.thresholds });
  const again = await resultOf(evaluate({ model, delta, data: listed, heldOutBy: seeded.seed, options }));
  const { loss, ...dev } = best.dev;
  expect(again.metrics).toEqual(dev);
  expect(again.loss).toBeCloseTo(loss, 6);

  const rows = await exportsAgree(delta, { ...listed, labelColumn: undefined, problem: undefined });
  for (const { labels, probabilities } of rows) {
    expect(labels).toEqual(LABELS.filter((_, i) => probabilities![i] >= best.thresholds![i]));
  }
  expect(rows.some(({ labels }) => labels!.length > 1)).toBe(true);

  const scores = await resultOf(
    scoreHeads(tf, { model, train: listed, strategy: 'gradient', options: { samples: 20, maxLength: 32 } }),
  );
  expect(scores.scores.flat().every((score) => score > 0)).toBe(true);
});

test('given thresholds are stored; weights and smoothing change the training, and none does not', async () => {
  const { listed } = severalRows();
  const [plain, fixed, weighted, smoothed, ones] = await Promise.all([
    trained(listed, { epochs: 1 }),
    trained(listed, { epochs: 1, threshold: 0.4 }),
    trained(listed, { epochs: 1, classWeights: 'balanced' }),
    trained(listed, { epochs: 1, labelSmoothing: 0.2 }),
    trained(listed, { epochs: 1, classWeights: { song: 1 } }),
  ]);
  expect(fixed.metrics.epochs[0].thresholds).toEqual([0.4, 0.4, 0.4]);
  const hash = ({ what }: { what: TrainRequest }) => deltaHash(what.out);
  expect(hash(fixed)).toBe(hash(plain));
  expect(hash(ones)).toBe(hash(plain));
  expect(new Set([plain, weighted, smoothed].map(hash)).size).toBe(3);
});

test('relevance of pairs: whole queries are held out, and exports agree', async () => {
  const rows = relevanceRows();
  const { what, metrics } = await trained(rows);
  expect(metrics.metric).toBe('ndcg_at_10');
  const best = metrics.epochs[metrics.best.epoch - 1];
  expect(Object.keys(best.dev)).toEqual(['ndcg_at_10', 'mrr_at_10', 'average_precision', 'loss']);
  expect(best).not.toHaveProperty('thresholds');
  const delta = path.join(what.out, 'delta');
  expect(readDelta(delta).info).toMatchObject({ problemType: 'relevance', id2label: null });
  const again = await resultOf(evaluate({ model, delta, data: rows, heldOutBy: seeded.seed, options }));
  // 16 rows are a tenth of 160, and two whole queries.
  expect(again.rows).toBe(16);
  const { loss: _, ...dev } = best.dev;
  expect(again.metrics).toEqual(dev);

  const answers = await exportsAgree(delta, { ...rows, labelColumn: undefined, problem: undefined });
  for (const { score, logits } of answers) expect(score).toBeCloseTo(1 / (1 + Math.exp(-logits[0])), 12);
  await expect(predicted({ model, delta, data: { path: rows.path, textColumns: ['q'] } })).rejects.toMatchObject({
    message: expect.stringMatching(/the problem relevance needs pairs; give two text columns/),
  });
});

test('an option that the problem does not have, or a weight of no label, is refused in one line', async () => {
  const rows = relevanceRows();
  const refused = async (train: DataSource, more: object) => {
    const error = await trained(train, more).catch((thrown: Error) => thrown);
    return (error as Error).message;
  };
  expect(await refused(rows, { classWeights: 'balanced' })).toBe(
    'training option classWeights needs the problem single-label or multi-label; the problem is relevance',
  );
  expect(await refused(rows, { threshold: 0.5 })).toBe(
    'training option threshold needs the problem multi-label; the problem is relevance',
  );
  expect(await refused({ ...rows, problem: 'regression' }, { labelSmoothing: 0.1 })).toMatch(
    /labelSmoothing needs labels/,
  );
  expect(await refused(severalRows().listed, { classWeights: { sonk: 2 } })).toMatch(
    /classWeights is "sonk"; it must be a label of the training rows; did you mean "song"\?/,
  );
});
