import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import * as ort from 'onnxruntime-node';
import type { Prediction } from '../delta/inference-options';
import type { HeadReport } from '../heads/head-report';
import { rankHeads } from '../heads/ranking';
import { readHeads, readMetrics } from '../job/files';
import { openCheckpoint } from '../model/checkpoint';
import { hiddenStatesModel } from '../model/graph';
import { resolveModel } from '../model/resolve';
import { SafetensorsFile } from '../model/safetensors';
import { fixtures, hifi } from './cli/spawn';

/*
 * Runs the main job on a real pretrained model with the command itself, against the float64 oracle
 * (test/fixtures/make_minilm_golden.py). Downloads the model on first use.
 */
const folder = path.join(fixtures, 'minilm');
const golden = JSON.parse(fs.readFileSync(path.join(folder, 'golden.json'), 'utf8'));
const rows = path.join(folder, 'rows.tsv');
const columns = ['--text-columns', 'sentence', '--label-column', 'label'];
const out = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-minilm-'));
afterAll(() => fs.rmSync(out, { recursive: true }));
let model: string;
let report: HeadReport;

/** Runs the command and expects success. */
function done(...words: string[]): string {
  const { status, stdout, stderr } = hifi(...words);
  expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
  return stdout;
}

const sha256 = (file: string) => createHash('sha256').update(fs.readFileSync(file)).digest('hex');

beforeAll(async () => {
  model = await resolveModel('all-MiniLM-L6-v2');
  const training = ['--epochs', '2', '--batch-size', '16', '--dev', rows];
  done('run', '--model', 'all-MiniLM-L6-v2', '--train', rows, ...columns, ...training, '--out', path.join(out, 'run'));
  report = readHeads(path.join(out, 'run/heads.json'));
}, 300_000);

it("the measurements equal the oracle's", () => {
  expect(report.model).toMatchObject({ name: 'all-MiniLM-L6-v2', sha256: golden.sha256, parameters: 22_713_216 });
  expect(report.samples).toBe(120);
  report.richness.forEach((layer, l) => {
    layer.forEach((richness, h) => {
      expect(Math.abs(richness - golden.richness[l][h])).toBeLessThanOrEqual(0.02);
      expect(report.headNorms[l][h]).toBeCloseTo(golden.headNorms[l][h], 6);
      for (const kind of ['pearson', 'covariance'] as const) {
        golden.correlation[kind][l][h].forEach((expected: number, other: number) => {
          const found = report.correlation[kind][l * 12 + h][l * 12 + other];
          expect(Math.abs(found - expected)).toBeLessThanOrEqual(1e-3 * Math.abs(expected) + 1e-9);
        });
      }
    });
  });
});

it("the rankings equal the oracle's for all options", () => {
  expect(golden.rankings).toHaveLength(8);
  for (const { pagerank, ...options } of golden.rankings) {
    const ranking = rankHeads(report, { ...options, scope: 'layer' });
    ranking.pagerank.forEach((layer, l) => {
      const best = (scores: number[]) =>
        Array.from(scores.keys())
          .sort((a, b) => scores[b] - scores[a])
          .slice(0, 3)
          .sort();
      layer.forEach((score, h) => {
        expect(Math.abs(score - pagerank[l][h])).toBeLessThan(1e-4);
      });
      expect(best(layer)).toEqual(best(pagerank[l]));
    });
  }
});

it('the hidden states equal those of transformers', async () => {
  const checkpoint = await openCheckpoint(model);
  const session = await ort.InferenceSession.create(hiddenStatesModel(checkpoint));
  checkpoint.close();
  const { ids, typeIds } = golden.row as { ids: number[]; typeIds: number[] };
  const matrix = (values: number[]) => new ort.Tensor('int64', BigInt64Array.from(values, BigInt), [1, values.length]);
  const found = await session.run({
    input_ids: matrix(ids),
    token_type_ids: matrix(typeIds),
    position_ids: matrix([...ids.keys()]),
    attention_mask: matrix(ids.map(() => 1)),
  });
  const stored = SafetensorsFile.open(path.join(folder, 'hidden.safetensors'));
  const states = stored.float32('states');
  stored.close();
  expect(session.outputNames).toHaveLength(7);
  const width = ids.length * 384;
  session.outputNames.forEach((name, layer) => {
    const values = found[name].data as Float32Array;
    expect(values).toHaveLength(width);
    values.forEach((value, i) => {
      if (Math.abs(value - states[layer * width + i]) > 1e-4) throw new Error(`${name}[${i}] is ${value}`);
    });
  });
  await session.release();
});

it('a training learns, delta and checkpoint predict the same, and undo restores the base', () => {
  const { epochs, deviceUsed } = readMetrics(path.join(out, 'run/metrics.json'));
  expect(deviceUsed).toMatch(/cpu|cuda/);
  expect(epochs[1].trainLoss).toBeLessThan(epochs[0].trainLoss);
  const predict = (...which: string[]): Prediction[] =>
    JSON.parse(done('predict', ...which, '--data', rows, ...columns.slice(0, 2), '--json'));
  const fromDelta = predict('--model', model, '--delta', path.join(out, 'run/delta'));
  const fromCheckpoint = predict('--model', path.join(out, 'run/checkpoint'));
  expect(fromDelta).toHaveLength(120);
  fromDelta.forEach(({ row, label, logits }, i) => {
    expect(fromCheckpoint[i]).toMatchObject({ row, label });
    logits.forEach((logit, c) => {
      expect(Math.abs(logit - fromCheckpoint[i].logits[c])).toBeLessThan(1e-4);
    });
  });
  done('export', '--undo', path.join(out, 'run/checkpoint'), '--out', path.join(out, 'base'));
  expect(sha256(path.join(out, 'base/model.safetensors'))).toBe(golden.sha256);
});
