import type { TrainingCost } from '../../delta/training-cost';
import { analysisCostMessage, analysisCostOf, trainingCostMessage, trainingCostOf } from '../../proto/costs';
import { AnalysisCostSchema } from '../../proto/gen/hifi/v1/analyzer_pb';
import { TrainingCostSchema } from '../../proto/gen/hifi/v1/trainer_pb';
import { crossed } from './crossing';

test('the cost of an analysis crosses the wire', () => {
  const cost = { sequences: 300, measured: 64, seconds: 4.25, peakBytes: 2 ** 33 };
  expect(analysisCostOf(crossed(AnalysisCostSchema, analysisCostMessage(cost)))).toEqual(cost);
});

const cost: TrainingCost = {
  heads: 0,
  trainableParameters: 0,
  taskHeadParameters: 7,
  totalParameters: 22_713_216,
  deltaBytes: 2 ** 33,
  rows: { train: 900, dev: 100 },
  steps: 145,
  seconds: { preparation: 0.5, steps: 20, evaluation: 1 },
  peakBytes: 2 ** 34,
};

test.each([
  ['without scores', cost],
  ['with scores', { ...cost, heads: 18, seconds: { scoring: 0, ...cost.seconds } }],
])('the cost of a training %s crosses the wire, 0 too', (_, each) => {
  expect(trainingCostOf(crossed(TrainingCostSchema, trainingCostMessage(each)))).toEqual(each);
});

test('a cost with a missing part is refused', () => {
  expect(() => trainingCostOf({ ...trainingCostMessage(cost), heads: undefined })).toThrow(/cost.heads/);
  expect(() => trainingCostOf({ ...trainingCostMessage(cost), seconds: undefined })).toThrow(/cost.seconds/);
});
