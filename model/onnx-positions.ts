import type { ModelConfig } from './architecture';
import { architectureOf } from './architectures';
import type { PickRows } from './arithmetic';
import type { OnnxGraph } from './onnx';

/**
 * Each token's row of the position table, computed from the token ids: [S, E], or [B, S, E] by the
 * rule `afterPadding`. A Slice, because onnxruntime 1.30's slice fusion fails on a Gather with a
 * computed Range.
 *
 * @param ids // [B, S], int64
 */
export function computedPositions(graph: OnnxGraph, config: ModelConfig, ids: string): PickRows {
  if (architectureOf(config).positions === 'fromZero') {
    const S = graph.node('Shape', [ids], { attributes: { start: { int: 1 }, end: { int: 2 } } }); // [1]
    return (table) => graph.node('Slice', [table, graph.ints([0]), S, graph.ints([0])]);
  }
  const padId = graph.ints([config.padTokenId]);
  const isText = graph.node('Not', [graph.node('Equal', [ids, padId])]);
  const counted = graph.cast(isText, 'int64'); // [B, S]
  const numbers = graph.node('Mul', [graph.node('CumSum', [counted, graph.ints([1])]), counted]);
  const places = graph.node('Add', [numbers, padId]);
  return (table) => graph.node('Gather', [table, places]);
}
