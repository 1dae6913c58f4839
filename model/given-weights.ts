import type { Arithmetic } from './arithmetic';
import type { OnnxGraph } from './onnx';

/** Most terms that onnxruntime sums in one block, whatever the other sizes of a product are. */
const BLOCK = 128;

/** Number of blocks in which a product's terms are summed, each of as many. */
export function blocksOf(terms: number): number {
  let blocks = Math.ceil(terms / BLOCK);
  while (terms % blocks !== 0) blocks++;
  return blocks;
}

/**
 * Product of tokens and weights that are inputs of a graph, as a sum over P = {@link blocksOf} of
 * the terms: longer sums are in blocks whose size depends on the number of columns.
 *
 * @param x one set of tokens, or as many as of weights // [1 or D, T, P, into/P]
 * @param weights // [D, P, out, into/P]
 * @param bias // [D, 1, 1, out]
 * @returns // [D, T, out]
 */
export function givenProduct(graph: OnnxGraph, x: string, weights: string, parts: number, bias?: string): string {
  const tokens = graph.node('Transpose', [x], perm(0, 2, 1, 3)); // [1 or D, P, T, into/P]
  // onnxruntime fuses the transposition with the product: the weights are not copied.
  const turned = graph.node('Transpose', [weights], perm(0, 1, 3, 2));
  const products = graph.node('MatMul', [tokens, turned]); // [D, P, T, out]
  const attributes = { axis: { int: 1 }, num_outputs: { int: parts } };
  const terms = parts === 1 ? [products] : graph.nodeOf(parts, 'Split', [products], { attributes });
  const sum = graph.node('Sum', bias ? [...terms, bias] : terms); // [D, 1, T, out]
  return graph.node('Squeeze', [sum, graph.ints([1])]);
}

/**
 * Float32 arithmetic of D sets of weights, which are inputs of the graph. Each set has tokens of
 * its own, [D, T, n].
 */
export function givenArithmetic(graph: OnnxGraph): Arithmetic {
  const same = (x: string) => x;
  return {
    narrow: same,
    wide: same,
    dense(x, { module, out, into, weight, bias }) {
      const parts = blocksOf(into);
      const cut = graph.node('Reshape', [x, graph.ints([0, 0, parts, into / parts])]);
      const weights = graph.constant('float32', [out, into], weight, `${module}.weight`);
      const product = givenProduct(graph, cut, weights, parts);
      return bias ? graph.node('Add', [product, graph.constant('float32', [out], bias, `${module}.bias`)]) : product;
    },
    rows() {
      throw new Error('tables are no inputs of a graph');
    },
  };
}

const perm = (...axes: number[]) => ({ attributes: { perm: { ints: axes } } });
