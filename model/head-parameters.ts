import type { HeadParameters } from '../heads/head-report';
import type { HeadRole, HeadSlice, ModelConfig, TensorPart } from './architecture';
import { architectureOf } from './architectures';

/** Numbers that tuning a head trains, by role. Every head of a model has as many. */
export function headParameters(config: ModelConfig): HeadParameters {
  const { headSlices } = architectureOf(config);
  const numbers = (of: HeadRole) =>
    numbersIn(
      config,
      headSlices(config, 0, 0).filter(({ role, inert }) => role === of && !inert),
    );
  const keys = (head: number) =>
    JSON.stringify(headSlices(config, 0, head).filter(({ role }) => role === 'k' || role === 'v'));
  const first = keys(0);
  const heads = Array.from({ length: config.heads }, (_, head) => head);
  return {
    q: numbers('q'),
    k: numbers('k'),
    v: numbers('v'),
    o: numbers('o'),
    groupSize: heads.filter((head) => keys(head) === first).length,
  };
}

/** Number of parameters in some parts of a model's tensors. */
export function numbersIn(config: ModelConfig, parts: readonly TensorPart[]): number {
  const shapes = new Map(
    architectureOf(config)
      .tensors(config)
      .map(({ name, shape }) => [name, shape]),
  );
  return parts.reduce((sum, { tensor, axis, ranges }) => sum + lengthOf(ranges) * across(shapes.get(tensor)!, axis), 0);
}

const lengthOf = (ranges: HeadSlice['ranges']) => ranges.reduce((sum, [from, to]) => sum + to - from, 0);

const across = ([rows, columns = 1]: readonly number[], axis: HeadSlice['axis']) => (axis === 'rows' ? columns : rows);
