import type { GraphSource } from './graph-source';
import type { OnnxGraph } from './onnx';
import { activate } from './onnx-activation';
import { OnnxNetwork, type OnnxValue } from './onnx-network';
import type { Activation, LinearOptions } from './operations';
import type { TunedArithmetic } from './tuned-arithmetic';
import type { Beside, TunedNeurons } from './tuned-neurons';

/** Value of the base, with that of the tuned neurons beside it. */
type ServedValue = OnnxValue & { beside?: Beside };

/** Network of a served layer, which computes the tuned neurons beside the base's feed-forward. */
export class ServedNetwork extends OnnxNetwork {
  private neurons!: TunedNeurons;

  static of(graph: OnnxGraph, source: GraphSource, arithmetic: TunedArithmetic, neurons: TunedNeurons): ServedNetwork {
    const net = ServedNetwork.start(graph, source, arithmetic, {}) as ServedNetwork;
    net.neurons = neurons;
    return net;
  }

  override linear(x: ServedValue, module: string, options: LinearOptions = {}): ServedValue {
    const base = super.linear(x, module, options);
    if (x.beside) return { ...base, name: this.neurons.added(base.name, x.beside) };
    return withBeside(base, this.neurons.rows(x.name, module, options.rows?.[0] ?? 0));
  }

  override activate(x: ServedValue, activation: Activation): ServedValue {
    const { beside } = x;
    const tuned: Beside | undefined = beside && ((graph) => activate(graph, beside(graph), activation));
    return withBeside(super.activate(x, activation), tuned);
  }

  override multiply(a: ServedValue, b: ServedValue): ServedValue {
    const [first, second] = [a.beside, b.beside];
    const tuned: Beside | undefined = first && second && ((graph) => graph.node('Mul', [first(graph), second(graph)]));
    return withBeside(super.multiply(a, b), tuned);
  }
}

const withBeside = (value: OnnxValue, beside: Beside | undefined): ServedValue =>
  beside ? { ...value, beside } : value;
