import { invalidInput, invalidValue } from '../foundation/errors';
import type { Teleport } from './head-report';

/** ‖Δp‖₁ below which the ranking has converged. */
const TOLERANCE = 1e-9;

/** Default damping and teleport, which are readings of the paper (docs/method.md). */
export const PAGERANK_DEFAULTS = { damping: 0.5, teleport: 'richness' as Teleport };

/** Graph of n heads, with the options of PageRank. */
export interface PageRankInput {
  /** r, n×n row by row, ≥ 0; the diagonal is ignored. */
  correlation: ArrayLike<number>;
  /** I, length n, ≥ 0, not all zero. */
  richness: ArrayLike<number>;
  /** δ, 0 < δ < 1. */
  damping?: number;
  teleport?: Teleport;
  /**
   * Number of rounds after which a ranking without convergence fails. Default:
   * {@link pagerankRounds}.
   */
  maxRounds?: number;
  /** Is called with ‖Δp‖₁ after each round. */
  onRound?: (change: number) => void;
}

/** Maximum number of rounds of a ranking: 10 + ⌈ln(2·10⁹)/−ln δ⌉, 142 at δ = 0.85. */
export function pagerankRounds(damping: number): number {
  return 10 + Math.ceil(Math.log(2 / TOLERANCE) / -Math.log(damping));
}

/**
 * Computes PageRank of the heads of one graph (Page et al. 1999; HiFi §3; docs/method.md). Edges
 * are weighted by correlation, without self loops. p⁰ = I/ΣI; `p ← (1−δ)·v + δ·Mᵀp` until ‖Δp‖₁ <
 * 1e-9.
 *
 * @returns `scores` (length n, sum 1) and the number of rounds, 0 for a single head
 * @throws HifiError INVALID_INPUT if the matrix, the richness or the damping is out of range
 * @throws Error if it has not converged after `maxRounds`
 */
export function pagerank(input: PageRankInput): { scores: Float64Array; iterations: number } {
  const { correlation, richness } = input;
  const damping = input.damping ?? PAGERANK_DEFAULTS.damping;
  const n = richness.length;
  checkGraph(correlation, richness, damping);
  if (n === 1) return { scores: Float64Array.of(1), iterations: 0 };

  const richnessSum = sum(richness);
  let p = Float64Array.from(richness, (i) => i / richnessSum); // [n]
  const v = (input.teleport ?? PAGERANK_DEFAULTS.teleport) === 'uniform' ? new Float64Array(n).fill(1 / n) : p.slice();
  const transition = transitionMatrix(correlation, v); // [n, n]

  const maxRounds = input.maxRounds ?? pagerankRounds(damping);
  let next = new Float64Array(n);
  for (let round = 1; round <= maxRounds; round++) {
    const change = walk(p, transition, v, damping, next);
    const last = p;
    p = next;
    next = last;
    input.onRound?.(change);
    if (change < TOLERANCE) return { scores: p, iterations: round };
  }
  throw new Error(`PageRank has not converged in ${maxRounds} rounds (damping ${damping}, ${n} heads)`);
}

/** Computes one round into `next`: (1−δ)·v + δ·Mᵀp. Returns ‖next − p‖₁. */
function walk(p: Float64Array, transition: Float64Array, v: Float64Array, damping: number, next: Float64Array): number {
  const n = p.length;
  for (let h = 0; h < n; h++) next[h] = (1 - damping) * v[h];
  for (let from = 0; from < n; from++) {
    const flow = damping * p[from];
    const row = from * n;
    for (let to = 0; to < n; to++) next[to] += flow * transition[row + to];
  }
  let change = 0;
  for (let h = 0; h < n; h++) change += Math.abs(next[h] - p[h]);
  return change;
}

/** Transition matrix m_{h,h'} = r_{h,h'} / Σ_{k≠h} r_{h,k}; a row of zeros becomes v. */
function transitionMatrix(correlation: ArrayLike<number>, v: Float64Array): Float64Array {
  const n = v.length;
  const transition = new Float64Array(n * n);
  for (let h = 0; h < n; h++) {
    let total = 0;
    for (let k = 0; k < n; k++) if (k !== h) total += correlation[h * n + k];
    for (let k = 0; k < n; k++) {
      if (total === 0) transition[h * n + k] = v[k];
      else if (k !== h) transition[h * n + k] = correlation[h * n + k] / total;
    }
  }
  return transition;
}

function checkGraph(correlation: ArrayLike<number>, richness: ArrayLike<number>, damping: number): void {
  const n = richness.length;
  if (!(damping > 0 && damping < 1)) {
    throw invalidValue({ field: 'damping', value: String(damping), expected: 'above 0 and below 1' });
  }
  if (correlation.length !== n * n) {
    throw invalidInput(`correlation has ${correlation.length} entries; ${n} heads need ${n * n}`);
  }
  const isWeight = (value: number) => value >= 0 && value < Infinity;
  const wrong = (field: string, value: number, named: string) =>
    invalidValue({ field, value: String(value), expected: 'finite and ≥ 0' }, named);
  for (let row = 0; row < n; row++) {
    for (let column = 0; column < n; column++) {
      const r = correlation[row * n + column];
      if (row !== column && !isWeight(r)) throw wrong('correlation', r, `correlation of heads ${row} and ${column}`);
    }
  }
  for (let h = 0; h < n; h++) {
    if (!isWeight(richness[h])) throw wrong('richness', richness[h], `richness of head ${h}`);
  }
  if (!(sum(richness) > 0)) throw invalidInput(`richness is 0 for all ${n} heads; at least one must be > 0`);
}

function sum(values: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i];
  return total;
}
