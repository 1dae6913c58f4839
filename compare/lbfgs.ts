/** Steps from which the curvature is estimated. */
const MEMORY = 10;
/** Armijo's constant: share of the predicted decrease that a step must reach. */
const SUFFICIENT = 1e-4;
/** Most halvings of a step. After them no decrease is left. */
const MOST_HALVINGS = 40;

/** Smooth function: returns its value at `x` and writes its gradient to `gradient`. */
export type Objective = (x: Float64Array, gradient: Float64Array) => number;

/**
 * Minimizes a smooth convex function by limited-memory BFGS with backtracking (Nocedal & Wright
 * 2006, algorithm 7.5; two-loop recursion 7.4).
 *
 * @param tolerance largest entry of the gradient at which it ends, > 0
 * @returns location of the minimum; ends early after `maxSteps`, or if no step along the direction
 *   decreases the function
 */
export function minimise(
  objective: Objective,
  start: Float64Array,
  { tolerance = 1e-7, maxSteps = 1000 }: { tolerance?: number; maxSteps?: number } = {},
): Float64Array {
  let x = Float64Array.from(start);
  let gradient = new Float64Array(x.length);
  let value = objective(x, gradient);
  const pairs: { s: Float64Array; y: Float64Array; sy: number }[] = [];
  for (let step = 0; step < maxSteps && largest(gradient) > tolerance; step++) {
    const direction = descent(gradient, pairs);
    const slope = dot(direction, gradient);
    const next = new Float64Array(x.length);
    const nextGradient = new Float64Array(x.length);
    let length = pairs.length === 0 ? 1 / Math.max(1, Math.sqrt(dot(gradient, gradient))) : 1;
    let nextValue = Number.POSITIVE_INFINITY;
    for (let halving = 0; halving < MOST_HALVINGS; halving++) {
      for (let i = 0; i < x.length; i++) next[i] = x[i] + length * direction[i];
      nextValue = objective(next, nextGradient);
      if (nextValue <= value + SUFFICIENT * length * slope) break;
      length /= 2;
    }
    if (!(nextValue < value)) break; // no decrease within the digits of the function's value
    const s = next.map((v, i) => v - x[i]);
    const y = nextGradient.map((v, i) => v - gradient[i]);
    const sy = dot(s, y);
    if (sy > 1e-12 * dot(y, y)) pairs.push({ s, y, sy });
    if (pairs.length > MEMORY) pairs.shift();
    x = next;
    gradient = nextGradient;
    value = nextValue;
  }
  return x;
}

/** −H·g, with the inverse Hessian H estimated from the last steps. */
function descent(gradient: Float64Array, pairs: readonly { s: Float64Array; y: Float64Array; sy: number }[]) {
  const q = gradient.map((v) => -v);
  const alphas: number[] = [];
  for (const { s, y, sy } of pairs.toReversed()) {
    const alpha = dot(s, q) / sy;
    alphas.unshift(alpha);
    for (let i = 0; i < q.length; i++) q[i] -= alpha * y[i];
  }
  const last = pairs.at(-1);
  if (last) {
    const scale = last.sy / dot(last.y, last.y);
    for (let i = 0; i < q.length; i++) q[i] *= scale;
  }
  for (const [k, { s, y, sy }] of pairs.entries()) {
    const beta = dot(y, q) / sy;
    for (let i = 0; i < q.length; i++) q[i] += (alphas[k] - beta) * s[i];
  }
  return q;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

const largest = (values: Float64Array) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
