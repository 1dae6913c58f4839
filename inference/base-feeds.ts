import * as ort from 'onnxruntime-node';
import type { TaskHeadKind } from '../model/architecture';
import type { ModelConfig } from '../model/config';
import { type LayerInputs, rowInputs } from '../model/serving-graphs';
import { type Layout, layoutsApart, layoutsTogether } from './layouts';
import type { ServedDelta } from './served-delta';
import { type Feeds, neuronFeeds, taskHeadFeeds, tunedFeeds } from './tuned-feeds';

/** Inputs of a base's two graphs, beside those of the tokens. */
interface TwoFeeds {
  lower: Feeds;
  last: Feeds;
}

/** Inputs for some deltas, and what they depend on. */
interface Known extends TwoFeeds {
  deltas: readonly ServedDelta[];
  each: boolean;
  B: number;
  /** Those that do not depend on B, layer by layer. */
  tuned: readonly Feeds[];
}

/** Inputs of a base's graphs for deltas, cached: the same deltas often come again. */
export class BaseFeeds {
  /** Inputs of a delta by itself, which share its memory. */
  private readonly single = new WeakMap<ServedDelta, Known>();
  /** Inputs of the last deltas that ran together. */
  private together: Known | undefined;

  /** @param inputs inputs of every layer's tuned parts, for a kind of task head */
  constructor(
    private readonly inputs: (kind: TaskHeadKind) => readonly LayerInputs[],
    private readonly config: ModelConfig,
  ) {}

  /**
   * Inputs of both graphs for some deltas.
   *
   * @param deltas with task heads of one kind: those of all sequences, or `each` of one of its own
   * @param B number of sequences
   */
  of(deltas: readonly ServedDelta[], B: number, each: boolean): TwoFeeds {
    const [first] = deltas;
    const known = deltas.length === 1 ? this.single.get(first) : this.together;
    const isSame = known?.each === each && isEqual(known.deltas, deltas);
    if (isSame && known.B === B) return known;
    const layouts = this.layouts(deltas, B, each);
    const tuned = isSame ? known.tuned : layouts.map((layout, layer) => this.tuned(layer, layout, deltas));
    const all = layouts.map((layout, layer) => ({ ...rowFeeds(layer, layout), ...tuned[layer] }));
    const [lower, last] = [all.slice(0, -2), all.slice(-2)].map((feeds): Feeds => Object.assign({}, ...feeds));
    const made = { deltas, each, B, tuned, lower, last };
    if (deltas.length === 1) this.single.set(first, made);
    else this.together = made;
    return made;
  }

  private layouts(deltas: readonly ServedDelta[], B: number, each: boolean): Layout[] {
    const { layers: L } = this.config;
    if (each) return layoutsApart(deltas, L);
    // The task head reads the base's last token of a sequence, or each delta's own.
    return layoutsTogether(deltas, B, L, deltas[0].reads === 'last' ? L - 1 : L);
  }

  /** Inputs of a layer's tuned parts, or after the last layer those of the task heads. */
  private tuned(layer: number, { of, states }: Layout, deltas: readonly ServedDelta[]): Feeds {
    if (layer === this.config.layers) return taskHeadFeeds(deltas);
    const part = states < of.length;
    const { heads, neurons } = this.inputs(deltas[0].kind)[layer];
    const ofHeads = heads.map((inputs) => tunedFeeds(inputs, of, part, this.config.headDim));
    return Object.assign(neuronFeeds(neurons, of), ...ofHeads);
  }
}

/** Inputs that say which rows a layer has. */
function rowFeeds(layer: number, { of, states, from, sequences, own }: Layout): Feeds {
  const names = rowInputs(layer);
  const integers = (values: BigInt64Array) => new ort.Tensor('int64', values, [values.length]);
  const count = (n: number) => integers(BigInt64Array.of(BigInt(n)));
  return {
    [names.from]: integers(from),
    [names.sequences]: integers(sequences),
    [names.deltas]: count(of.length),
    [names.states]: count(states),
    [names.own]: integers(own),
  };
}

const isEqual = (a: readonly unknown[], b: readonly unknown[]) =>
  a.length === b.length && a.every((each, i) => each === b[i]);
