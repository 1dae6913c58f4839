import { TRAIN_DEFAULTS } from '../../delta/training-options';
import type { HeadReport, PerHead } from '../../heads/head-report';
import { rankHeads } from '../../heads/ranking';
import { seededScores } from '../../heads/seeded-order';
import { selectHeads } from '../../heads/select';
import type { ReportParts } from '../../report/parts';
import { sampleMetrics, sampleReport } from '../job/sample-results';

/** Made-up run with BERT-large's sizes: 24 layers of 16 heads of size 64, all values different. */
export function largeRun(layers = 24, heads = 16, headDim = 64): ReportParts {
  const nodes = layers * heads;
  const drawn = seededScores(1, nodes * (nodes + 4));
  let at = 0;
  const next = () => drawn[at++];
  const perHead = (value: (layer: number) => number): PerHead =>
    Array.from({ length: layers }, (_, layer) => Array.from({ length: heads }, () => value(layer)));
  const matrix = (diagonal: number, value: (a: number, b: number) => number) => {
    const rows = Array.from({ length: nodes }, () => new Array<number>(nodes).fill(diagonal));
    for (let a = 0; a < nodes; a++) for (let b = a + 1; b < nodes; b++) rows[a][b] = rows[b][a] = value(a, b);
    return rows;
  };
  const base = sampleReport();
  const richness = perHead((layer) => 4 + 24 * next() * (1 - layer / (2 * layers)));
  const near = (a: number, b: number) => (Math.floor(a / heads) === Math.floor(b / heads) ? 0.3 : 0.1);
  const pearson = matrix(1, (a, b) => near(a, b) + 0.5 * next() ** 3);
  const correlation = { pearson, covariance: matrix(0.5, (a, b) => 0.02 * pearson[a][b] * (1 + a / heads)) };
  const { pagerank, rankCorrelations, iterations } = rankHeads({ richness, correlation });
  const report: HeadReport = {
    ...base,
    model: {
      ...{ name: 'large', sha256: 'ef'.repeat(32), architecture: 'bert', parameters: 335_141_888 },
      ...{ layers, heads, headDim, hiddenSize: heads * headDim },
    },
    samples: 300,
    richness,
    richnessStderr: perHead(() => 0.1 + next() / 5),
    richnessByXi: Object.fromEntries(
      [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99].map((xi) => [xi, richness.map((row) => row.map((t) => (t * xi) / 0.9))]),
    ),
    correlation,
    pagerank,
    activation: perHead(() => 0.1 + next()),
    headNorms: perHead(() => 20 + 5 * next()),
    stability: perHead(() => Math.round(200 * next()) / 200),
    rankCorrelations,
    iterations,
    spectrum: richness.map((row) =>
      row.map((t) => {
        const values = Array.from({ length: headDim }, (_, i) => Math.exp((-2.2 * i) / t));
        const sum = values.reduce((total, value) => total + value, 0);
        return values.map((value) => value / sum);
      }),
    ),
  };
  const mask = selectHeads(report, { strategy: 'hifi', k: 3 });
  const metrics = {
    ...sampleMetrics(),
    ...{ trainableParameters: mask.trainableParameters, taskHeadParameters: 1_051_650 },
  };
  return {
    ...{ heads: report, mask, metrics, training: TRAIN_DEFAULTS, deltaBytes: 60_870_000 },
    taskHead: { id2label: { 0: 'no', 1: 'yes' }, problemType: 'single_label_classification', task: null },
    exports: ['checkpoint', 'peft', 'onnx'],
  };
}
