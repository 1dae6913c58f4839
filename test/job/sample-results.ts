import type { TrainMetrics } from '../../delta/training-options';
import type { HeadReport } from '../../heads/head-report';
import type { Mask } from '../../heads/mask';
import type { HeadScores } from '../../heads/scores';
import { selectHeads } from '../../heads/select';

/** A made-up report whose numbers differ from head to head in a way that is easy to follow. */
export function sampleReport(layers = 2, heads = 4): HeadReport {
  const nodes = layers * heads;
  const perHead = (value: (layer: number, head: number) => number) =>
    Array.from({ length: layers }, (_, layer) => Array.from({ length: heads }, (_, head) => value(layer, head)));
  const square = (diagonal: number, value: (a: number, b: number) => number) =>
    Array.from({ length: nodes }, (_, a) =>
      Array.from({ length: nodes }, (_, b) => (a === b ? diagonal : value(a, b))),
    );
  return {
    schemaVersion: 1,
    model: {
      name: 'sample',
      sha256: 'ab'.repeat(32),
      architecture: 'bert',
      layers,
      heads,
      headDim: 8,
      hiddenSize: 8 * heads,
      parameters: 100_000,
    },
    data: { path: 'data/rows.tsv', sha256: 'cd'.repeat(32), rows: 50, sampleIds: [4, 0, 2] },
    options: {
      samples: 3,
      k: 3,
      xi: 0.9,
      maxLength: 128,
      seed: 0,
      exact: false,
      correlation: 'pearson',
      teleport: 'richness',
      damping: 0.5,
      scope: 'layer',
    },
    samples: 3,
    richness: perHead((layer, head) => 2 + ((3 * head + layer) % heads)),
    richnessStderr: perHead(() => 0.25),
    richnessByXi: { '0.5': perHead(() => 1), '0.9': perHead((layer, head) => 2 + ((3 * head + layer) % heads)) },
    correlation: { pearson: square(1, (a, b) => 0.1 + 0.01 * ((a * b) % 7)), covariance: square(0.5, () => 0.05) },
    pagerank: perHead((layer, head) => (1 + ((head + layer) % heads)) / ((heads * (heads + 1)) / 2)),
    activation: perHead(() => 0.125),
    headNorms: perHead((layer, head) => 10 + layer + head / 10),
    stability: null,
    rankCorrelations: Array.from({ length: layers }, () => ({ richness: 0.75, correlationSum: -0.5 })),
    spectrum: Array.from({ length: layers }, () => Array.from({ length: heads }, () => [0.5, 0.3, 0.2])),
    iterations: 9,
    deviceUsed: 'cpu',
    elapsedSeconds: 1.5,
  };
}

/** Scores of the same model that rank the heads of each layer 3, 2, 1, 0. */
export function sampleScores(): HeadScores {
  const { model, data } = sampleReport();
  return {
    schemaVersion: 1,
    strategy: 'gradient',
    model,
    data,
    options: { samples: 3, maxLength: 128, tune: 'qkv' },
    seed: 0,
    samples: 3,
    scores: [
      [0.1, 0.2, 0.3, 0.4],
      [0.01, 0.02, 0.03, 0.04],
    ],
    scoresStderr: [
      [0.01, 0.01, 0.01, 0.01],
      [0.001, 0.001, 0.001, 0.001],
    ],
    warmUp: { epochs: 30, steps: 30, lr: 1e-3, firstLoss: 0.7, lastLoss: 0.5 },
    deviceUsed: 'cpu',
    elapsedSeconds: 1.5,
  };
}

export function sampleMask(): Mask {
  return selectHeads(sampleReport(), { k: 2 });
}

export function sampleMetrics(): TrainMetrics {
  return {
    task: 'sst2',
    metric: 'accuracy',
    best: { epoch: 2, value: 0.75 },
    resumedFromStep: null,
    epochs: [
      { epoch: 1, trainLoss: 0.7, dev: { accuracy: 0.5, loss: 0.69 }, seconds: 1.25 },
      { epoch: 2, trainLoss: 0.6, dev: { accuracy: 0.75, loss: 0.61 }, seconds: 1.5 },
    ],
    trainableParameters: 3136,
    taskHeadParameters: 1122,
    peakRssBytes: 123_456_789,
    seed: 0,
    deviceUsed: 'cpu',
  };
}
