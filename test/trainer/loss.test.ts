import type { Target } from '../../data/label-reading';
import { PROBLEM_TYPES, type ProblemType } from '../../data/problem';
import { randomStream } from '../../data/random';
import { score } from '../../delta/logits';
import { metricsOf } from '../../delta/problems';
import { loadTensorFlow } from '../../infra/tensorflow';
import { targetValues, taskLoss } from '../../trainer/loss';
import { Ops, type Tensor } from '../../trainer/ops';
import { type Feed, Session } from '../../trainer/session';

const tf = loadTensorFlow();
const B = 5;

/** Labels of each problem, and the targets of five rows. */
const ROWS: Record<ProblemType, { names: string[]; targets: Target[] }> = {
  'single-label': { names: ['a', 'b', 'c'], targets: [2, 0, 1, 1, 0] },
  'multi-label': {
    names: ['a', 'b', 'c'],
    targets: [0b000, 0b111, 0b010, 0b101, 0b100].map((bits) => Uint8Array.from([bits & 1, (bits >> 1) & 1, bits >> 2])),
  },
  tokens: { names: ['a', 'b', 'c'], targets: [2, 0, 1, 1, 0].map((tag) => Int32Array.of(tag)) },
  regression: { names: [], targets: [0.5, -3, 0, 1, 2] },
  relevance: { names: [], targets: [1, 0, 0.25, 0, 1].map((relevance) => ({ query: 0, relevance })) },
};

test.each(PROBLEM_TYPES)('the loss of %s in float64, and its gradient by central differences', (problem) => {
  const { names, targets } = ROWS[problem];
  const C = Math.max(1, names.length);
  const random = randomStream(0, 'test/loss');
  const logits = Float32Array.from({ length: B * C }, () => 4 * random.uniform() - 2);
  const ops = new Ops();
  const inputs = [
    ops.input('logits', 'float32', [null, C]),
    ops.input('targets', 'float32', [null, C]),
    ops.input('rows', 'float32', []),
  ];
  const { loss, byLogits } = taskLoss(ops, inputs[0], inputs[1], inputs[2], { problem });
  const session = new Session(tf, ops);
  const feeds: [Tensor, Feed][] = [
    [inputs[0], { values: logits, shape: [B, C] }],
    [inputs[1], { values: targetValues(targets, C, { problem }), shape: [B, C] }],
    [inputs[2], { values: Float32Array.of(B), shape: [] }],
  ];
  const mean = (at: Float32Array) => {
    const metrics = metricsOf(undefined, { problem, names });
    return score({ values: at, outputs: C }, targets, { problem, names }, metrics).loss;
  };
  expect(session.read(feeds, loss)[0]).toBeCloseTo(mean(logits), 5);
  const gradient = session.read(feeds, byLogits);
  expect(gradient).toHaveLength(B * C);
  gradient.forEach((found, i) => {
    const step = 2 ** -6;
    const [up, down] = [step, -step].map((by) => mean(logits.map((logit, at) => (at === i ? logit + by : logit))));
    expect(found).toBeCloseTo((up - down) / (2 * step), 4);
  });
  session.close();
});
