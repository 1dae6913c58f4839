import * as fs from 'node:fs';
import * as path from 'node:path';
import { minimise } from '../../compare/lbfgs';
import { fitLogistic, logisticLogits } from '../../compare/logistic';

// Results of scikit-learn: test/fixtures/make_comparison_golden.py.
interface Regression {
  classes: number;
  c: number;
  x: number[][];
  y: number[];
  weights: number[][];
  biases: number[];
  logits: number[][];
}
const { regressions }: { regressions: Regression[] } = JSON.parse(
  fs.readFileSync(path.join(__dirname, '../fixtures/comparison.golden.json'), 'utf8'),
);

test.each(regressions)("the fit equals scikit-learn's: $classes classes, C = $c", (golden) => {
  const x = { values: Float64Array.from(golden.x.flat()), rows: golden.x.length, columns: golden.x[0].length };
  const model = fitLogistic(x, golden.y, golden.classes, golden.c);
  const largest = Math.max(...golden.weights.flat().map(Math.abs));
  golden.weights.flat().forEach((weight, i) => {
    expect(Math.abs(model.weights[i] - weight)).toBeLessThan(1e-3 * largest);
  });
  // The softmax does not depend on the mean of the biases.
  const centred = (values: ArrayLike<number>) => {
    const list = Array.from(values);
    const mean = list.reduce((a, b) => a + b, 0) / list.length;
    return list.map((value) => value - mean);
  };
  centred(golden.biases).forEach((bias, i) => {
    expect(Math.abs(centred(model.biases)[i] - bias)).toBeLessThan(1e-3 * largest);
  });
  const logits = logisticLogits(model, x);
  golden.logits.forEach((row, i) => {
    const found = logits.subarray(i * golden.classes, (i + 1) * golden.classes);
    centred(row).forEach((logit, k) => {
      expect(Math.abs(centred(found)[k] - logit)).toBeLessThan(5e-3 * largest);
    });
  });
});

test('the minimum of a quadratic function solves its linear equations', () => {
  // ½xᵀAx − bᵀx with A = [[4, 1], [1, 3]]: x = A⁻¹b.
  const found = minimise(
    (x, gradient) => {
      gradient[0] = 4 * x[0] + x[1] - 1;
      gradient[1] = x[0] + 3 * x[1] - 2;
      return 0.5 * (4 * x[0] ** 2 + 2 * x[0] * x[1] + 3 * x[1] ** 2) - x[0] - 2 * x[1];
    },
    Float64Array.of(5, -5),
  );
  expect(found[0]).toBeCloseTo(1 / 11, 6);
  expect(found[1]).toBeCloseTo(7 / 11, 6);
});
