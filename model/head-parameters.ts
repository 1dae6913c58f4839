import type { HeadParameters } from '../heads/head-report';
import type { HeadRole, HeadSlice, ModelConfig } from './architecture';
import { architectureOf } from './architectures';

/** Numbers that tuning a head trains, by role. Every head of a model has as many. */
export function headParameters(config: ModelConfig): HeadParameters {
  const { headSlices, tensors } = architectureOf(config);
  const shapes = new Map(tensors(config).map(({ name, shape }) => [name, shape]));
  const numbers = (of: HeadRole) =>
    headSlices(config, 0, 0)
      .filter(({ role, inert }) => role === of && !inert)
      .reduce((sum, { tensor, axis, ranges }) => sum + lengthOf(ranges) * across(shapes.get(tensor)!, axis), 0);
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

const lengthOf = (ranges: HeadSlice['ranges']) => ranges.reduce((sum, [from, to]) => sum + to - from, 0);

const across = ([rows, columns = 1]: readonly number[], axis: HeadSlice['axis']) => (axis === 'rows' ? columns : rows);
