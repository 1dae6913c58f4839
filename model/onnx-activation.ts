import type { OnnxGraph } from './onnx';
import type { Activation } from './operations';

/** Applies an activation; `gelu_new` is the approximation by tanh (Hendrycks & Gimpel 2016). */
export function activate(graph: OnnxGraph, x: string, activation: Activation): string {
  switch (activation) {
    case 'gelu':
      return graph.node('Gelu', [x]);
    case 'gelu_new':
      return graph.node('Gelu', [x], { attributes: { approximate: { text: 'tanh' } } });
    case 'quick_gelu':
      return graph.node('Mul', [x, graph.node('Sigmoid', [graph.node('Mul', [x, graph.scalar(1.702)])])]);
    case 'relu':
      return graph.node('Relu', [x]);
    case 'silu':
      return graph.node('Mul', [x, graph.node('Sigmoid', [x])]);
    case 'tanh':
      return graph.node('Tanh', [x]);
  }
}
