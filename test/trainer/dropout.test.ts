import * as fs from 'node:fs';
import * as path from 'node:path';
import { randomStream } from '../../data/random';
import { PROBLEMS, problemStoredAs } from '../../delta/problems';
import { tuningOf } from '../../delta/tuning';
import { loadTensorFlow } from '../../infra/tensorflow';
import { architectureOf, runLayers } from '../../model/architectures';
import { type Checkpoint, openCheckpoint } from '../../model/checkpoint';
import type { DropoutSite } from '../../model/operations';
import { DROPOUT_SITES, Dropout, dropoutKey } from '../../trainer/dropout';
import { TensorFlowNetwork, TOKEN_NUMBERS } from '../../trainer/network';
import { NetworkWeights } from '../../trainer/network-weights';
import { Ops, type Tensor } from '../../trainer/ops';
import { Program } from '../../trainer/program';
import { withoutDropout } from '../../trainer/scoring';
import { Session } from '../../trainer/session';
import { TokenRows } from '../../trainer/token-rows';
import { trainable } from '../../trainer/trainable';
import { FIXTURES } from '../support/deltas';
import { tuningOfCase } from '../support/golden-tuning';
import { maskOf } from './runs';

const tf = loadTensorFlow();
const SHAPE = [400, 250];
const NUMBERS = 400 * 250;

/** The values of a mask. */
function factors(
  rate: number,
  seed = 0,
  step = 0,
  layer = 0,
  site: DropoutSite = 'attention',
  microBatch = 0,
): Float32Array {
  const ops = new Ops();
  const x = ops.input('x', 'float32', [null, null]);
  const key = ops.input('key', 'int32', [1]);
  const mask = new Dropout(key).factors(ops, x, rate, layer, site)!;
  const session = new Session(tf, ops);
  const values = session.read(
    [
      [x, { values: new Float32Array(NUMBERS), shape: SHAPE }],
      [key, { values: dropoutKey(seed, step, microBatch), shape: [1] }],
    ],
    mask,
  );
  session.close();
  return values;
}

const share = (holds: (i: number) => boolean) =>
  Array.from({ length: NUMBERS }, (_, i) => i).filter(holds).length / NUMBERS;

describe('factors', () => {
  it.each([0.1, 0.5, 0.9])('drop %p of the entries and keep the mean', (rate) => {
    const values = factors(rate, 17, 3);
    const deviation = Math.sqrt((rate * (1 - rate)) / NUMBERS);
    expect(Math.abs(share((i) => values[i] === 0) - rate)).toBeLessThan(5 * deviation);
    const kept = values.filter((value) => value !== 0);
    for (const value of new Set(kept)) expect(value).toBeCloseTo(1 / (1 - rate), 5);
    const mean = values.reduce((sum, value) => sum + value, 0) / NUMBERS;
    expect(Math.abs(mean - 1)).toBeLessThan((5 * deviation) / (1 - rate));
  });

  it('are a pure function of seed, step, layer and site', () => {
    expect(factors(0.5, 5, 6, 7, 'output')).toEqual(factors(0.5, 5, 6, 7, 'output'));
  });

  it('are others for another seed, step, layer, site or micro-batch, and not alike', () => {
    const sites = Object.keys(DROPOUT_SITES) as DropoutSite[];
    const masks = [
      factors(0.5, 0, 0, 0),
      factors(0.5, 1, 0, 0),
      factors(0.5, 2 ** 32 - 1, 0, 0),
      factors(0.5, 0, 1, 0),
      factors(0.5, 0, 2, 0),
      factors(0.5, 0, 0, 1),
      factors(0.5, 0, 0, 0, 'attention', 1),
      ...sites.slice(1).map((site) => factors(0.5, 0, 0, 0, site)),
    ];
    masks.forEach((one, a) => {
      for (const other of masks.slice(0, a)) {
        // Two independent masks agree in half of their entries.
        expect(Math.abs(share((i) => one[i] === other[i]) - 0.5)).toBeLessThan(5 * Math.sqrt(0.25 / NUMBERS));
      }
    });
  });

  it('are none at rate 0', () => {
    const ops = new Ops();
    const x = ops.input('x', 'float32', [2]);
    expect(new Dropout(ops.input('key', 'int32', [1])).factors(ops, x, 0, 0, 'output')).toBeUndefined();
  });
});

/** Rows of a batch; the last two tokens of the second one are padding. */
const LENGTHS = [6, 4, 6, 6];
const STEP = 11;

it.each<[string, number[][]]>([
  [
    'tiny-bert',
    [
      [1, 3],
      [0, 2, 4],
    ],
  ],
  ['tiny-roberta', [[3], [0, 2]]],
  ['tiny-xlm-roberta', [[1, 2], []]],
  ['tiny-distilbert', [[], [0, 3]]],
  ['tiny-electra', [[0], [1, 3], []]],
  ['tiny-modernbert', [[0], [1, 3], []]],
])('the gradient of %s with dropout on is that of the loss with the same dropout', async (name, heads) => {
  const base = path.join(FIXTURES, name);
  const opened = await openCheckpoint(base);
  const config = { ...opened.config, hiddenDropout: 0.3, attentionDropout: 0.3, classifierDropout: 0.3 };
  const checkpoint = { ...opened, config };
  const mask = await maskOf(heads, 'qkvo', base);
  const tuning = tuningOf(config, mask);
  const { layout, initial } = trainable(checkpoint, tuning, 2, 0);
  const random = randomStream(4, 'gradient');
  // New weights are so small that what flows back through them is lost in float32's rounding.
  layout
    .views(initial)
    .get(`${architectureOf(config).taskHead(config, 'sequence').output}.weight`)!
    .values.forEach((_, i, values) => {
      values[i] = random.normal() / 2;
    });
  const rows = LENGTHS.map((length) => {
    const ids = Array.from({ length }, () => 5 + Math.floor(random.uniform() * (config.vocabSize - 5)));
    return { ids, typeIds: ids.map(() => 0) };
  });
  const targets = [0, 1, 1, 0];
  const program = new Program(
    tf,
    { checkpoint, tuning, layout, outputs: 2, objective: { problem: 'single-label' } },
    initial,
  );
  const batch = program.frozen(new TokenRows(checkpoint).batch(rows));

  /** The loss and its gradient. */
  const at = (values: Float32Array) => {
    program.write({ ...program.read(), parameters: values });
    const at = { seed: 1, step: STEP };
    const { loss, gradient } = program.gradient(batch, targets, at);
    const result = { loss, gradient: gradient.values() };
    gradient.dispose();
    return result;
  };

  const gradients = layout.views(at(initial).gradient);
  for (const { name, offset } of layout.slots) {
    const { values } = gradients.get(name)!;
    const length = Math.hypot(...values);
    const difference = (epsilon: number) => {
      const moved = initial.slice();
      values.forEach((value, i) => {
        moved[offset + i] += (epsilon * value) / length;
      });
      return at(moved).loss;
    };
    const epsilon = 0.002;
    const slope = (difference(epsilon) - difference(-epsilon)) / (2 * epsilon);
    const rounding = 2 ** -23 / epsilon; // of the slope, if each loss is off by 2⁻²³
    expect([name, Math.abs(slope - length) < 2e-3 * length + rounding]).toEqual([name, true]);
  }
  program.close();
  opened.close();
});

/** Notes where dropout is asked for. */
class NotedDropout extends Dropout {
  readonly asked: { site: DropoutSite; rate: number }[] = [];

  override factors(ops: Ops, x: Tensor, rate: number, layer: number, site: DropoutSite) {
    if (rate > 0) this.asked.push({ site, rate });
    return super.factors(ops, x, rate, layer, site);
  }
}

/** Axes that a site's values have in transformers. */
const AXES: Record<DropoutSite, number> = {
  embeddings: 3,
  attention: 4,
  attentionOutput: 3,
  output: 3,
  headInput: 2,
  pooled: 2,
  distances: 2,
  convolution: 3,
};

const goldenOf = (name: string) =>
  JSON.parse(fs.readFileSync(path.join(FIXTURES, 'training-golden', `${name}.golden.json`), 'utf8'));

/** Builds the network of a golden training. @returns what it asks to drop out */
function droppedIn(checkpoint: Checkpoint, golden: ReturnType<typeof goldenOf>) {
  const { config } = checkpoint;
  const tuning = tuningOfCase(config, golden);
  const kind = PROBLEMS[problemStoredAs(golden.problemType)].taskHead;
  const { layout } = trainable(checkpoint, tuning, 2, 0, kind);
  const ops = new Ops();
  const parameters = layout.split(ops, ops.input('parameters', 'float32', [layout.size]));
  const weights = new NetworkWeights(ops, checkpoint, tuning, parameters);
  const inputs = {
    words: ops.input('words', 'float32', [null, config.embeddingSize]),
    numbers: ops.input('numbers', 'float32', [null, TOKEN_NUMBERS.length]),
    mask: ops.input('mask', 'float32', [null, 1, 1, null]),
  };
  const dropout = new NotedDropout(ops.input('key', 'int32', [1]));
  const net = new TensorFlowNetwork(ops, config, weights, inputs, dropout);
  const architecture = architectureOf(config);
  const full = golden.method === 'full';
  const lowest = full ? 0 : (golden.heads as number[][]).findIndex((chosen) => chosen.length > 0);
  const x = full ? architecture.embed(net, config) : ops.input('hidden', 'float32', [null, config.hiddenSize]);
  const taskHead = architecture.taskHead(config, kind);
  taskHead.logits(net, config, runLayers(net, config, taskHead.reads, x, lowest, config.layers));
  return { asked: dropout.asked, lowest };
}

// test/fixtures/make_training_golden.py tells what transformers drops.
it.each([
  'two-classes',
  'roberta',
  'xlm-roberta',
  'distilbert',
  'electra',
  'modernbert',
  'full',
  'full-roberta',
  'full-distilbert',
  'full-electra',
  'mpnet',
  'deberta',
  'full-deberta-v2',
  'qwen3',
  'tokens',
  'tokens-roberta',
  'tokens-distilbert',
  'tokens-deberta',
  'tokens-qwen3',
])("%s drops out where transformers' own classifier does", async (name) => {
  const golden = goldenOf(name);
  const opened = await openCheckpoint(path.join(FIXTURES, golden.model));
  // MPNet's task head has the rate of its layers.
  const classifierDropout = opened.config.architecture === 'mpnet' ? 0.2 : 0.4;
  const config = { ...opened.config, hiddenDropout: 0.2, attentionDropout: 0.3, classifierDropout };
  const { asked, lowest } = droppedIn({ ...opened, config }, golden);
  const full = golden.method === 'full';
  const kind = PROBLEMS[problemStoredAs(golden.problemType)].taskHead;

  // Rows of tokens have three axes in PyTorch and two here.
  if (kind === 'token') golden.dropouts.at(-1)[0] = 2;
  const ofHead = golden.dropouts.filter(([axes]: [number]) => axes === 2).length;
  const ofEmbeddings = golden.dropouts[0][0] === AXES.embeddings ? 1 : 0;
  const ofLayer = (golden.dropouts.length - ofEmbeddings - ofHead) / config.layers;
  // The embeddings and the layers below the lowest tuned one run as in evaluation, unless all is
  // tuned.
  const expected = golden.dropouts.slice(full ? 0 : ofEmbeddings + lowest * ofLayer);
  expect(asked.map(({ site, rate }) => [AXES[site], rate])).toEqual(expected);
  opened.close();
});

it('drops nothing out where a score needs that, whatever field has the rate', async () => {
  const golden = goldenOf('full-deberta-v2');
  const opened = await openCheckpoint(path.join(FIXTURES, golden.model));
  expect(droppedIn(opened, golden).asked).not.toEqual([]);
  expect(droppedIn(withoutDropout(opened), golden).asked).toEqual([]);
  opened.close();
});
