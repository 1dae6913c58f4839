import type { Mask } from '../heads/mask';
import type { Checkpoint } from '../model/checkpoint';
import { FAMILIES, type FamilyName, type LayerRole, layerModule } from '../model/families';
import type { LayerGradients, LayerWeights } from './layer';
import type { NormWeights } from './layer-norm';
import type { Ops, Tensor } from './ops';

/** One projection's frozen rows, in the order of {@link LayerWeights}; undefined where every head is tuned. */
interface FrozenProjection {
  weight?: Tensor; // [(H−t)·dh, d]
  bias?: Tensor; // [(H−t)·dh]
}

interface FrozenLayer {
  query: FrozenProjection;
  key: FrozenProjection & { bias: Tensor }; // the whole bias, [H·dh]: it is never tuned
  value: FrozenProjection;
  /** W_O transposed; all rows, or the frozen heads' alone where the tuned heads' are tuned. */
  output?: Tensor; // [H·dh, d] or [(H−t)·dh, d]
  tuned: number;
  /** Absent where it is tuned. */
  rest?: LayerRest;
}

/** All of a layer that is beside its heads. */
type LayerRest = Omit<LayerWeights, 'attention' | 'tunesRest'> & { attentionOutputBias: Tensor };

/** A tensor of a layer: a frozen one, or as it was trained. */
type TensorOf = (role: LayerRole, part: 'weight' | 'bias', shape: number[]) => Tensor;

/**
 * The base's encoder layers as frozen tensors, with a gap where the tuned heads' slices go. The slices are no part of it:
 * {@link Encoder.assemble} puts them in, and nothing else ever writes a weight.
 */
export class Encoder {
  /** The lowest layer with a tuned head; the number of layers where there is none. */
  readonly lowest: number;
  /** Whether the whole model is tuned. */
  readonly tunesAll: boolean;
  private readonly layers: FrozenLayer[];

  constructor(
    private readonly ops: Ops,
    private readonly checkpoint: Checkpoint,
    private readonly mask: Pick<Mask, 'heads' | 'tune'>,
  ) {
    const { config } = checkpoint;
    const chosen = Array.from({ length: config.layers }, (_, layer) =>
      mask.heads.filter((h) => h.layer === layer).map((h) => h.head),
    );
    this.tunesAll = mask.tune === 'full';
    const first = this.tunesAll ? 0 : chosen.findIndex((heads) => heads.length > 0);
    this.lowest = first < 0 ? config.layers : first;
    this.layers = chosen.map((heads, layer) => this.freeze(layer, new Set(heads)));
  }

  /** Every layer from `from` up to `to` (exclusive), the tuned slices in place. */
  assemble(slices: ReadonlyMap<string, Tensor>, from: number, to: number): LayerWeights[] {
    return this.layers.slice(from, to).map((frozen, i) => this.assembleLayer(frozen, from + i, slices));
  }

  /** A layer's gradients under the names of what they belong to. */
  named(layer: number, { attention, rest }: LayerGradients): [name: string, gradient: Tensor][] {
    const parts: [LayerRole, weight: Tensor | undefined, bias?: Tensor][] = [
      ['query', attention?.query, attention?.queryBias],
      ['key', attention?.key],
      ['value', attention?.value, attention?.valueBias],
      ['attentionOutput', attention?.output, rest?.attentionOutputBias],
      ['attentionNorm', rest?.attentionNorm.scale, rest?.attentionNorm.offset],
      ['intermediate', rest?.intermediate, rest?.intermediateBias],
      ['output', rest?.output, rest?.outputBias],
      ['outputNorm', rest?.outputNorm.scale, rest?.outputNorm.offset],
    ];
    return parts.flatMap(([role, weight, bias]) => [
      ...(weight ? [[this.name(layer, role, 'weight'), weight] as [string, Tensor]] : []),
      ...(bias ? [[this.name(layer, role, 'bias'), bias] as [string, Tensor]] : []),
    ]);
  }

  private name(layer: number, role: LayerRole, part: 'weight' | 'bias'): string {
    return `${layerModule(FAMILIES[this.checkpoint.config.architecture as FamilyName], layer, role)}.${part}`;
  }

  private freeze(layer: number, tuned: ReadonlySet<number>): FrozenLayer {
    const { config } = this.checkpoint;
    const { headDim, hiddenSize: d } = config;
    const read = (role: LayerRole, part: 'weight' | 'bias') => this.checkpoint.tensor(this.name(layer, role, part));
    const variable = (role: LayerRole, part: 'weight' | 'bias', shape: number[], values = () => read(role, part)) =>
      this.ops.weight(`layer_${layer}/${role}/${part}`, shape, values);
    const all = Array.from({ length: config.heads }, (_, head) => head);
    const frozen = all.filter((head) => !tuned.has(head));
    const rows = (values: Float32Array, heads: number[], width: number) => headRows(values, heads, headDim * width);

    const frozenRows = (role: 'query' | 'key' | 'value', part: 'weight' | 'bias', scale = 1) => {
      if (frozen.length === 0) return undefined;
      const count = frozen.length * headDim;
      return variable(role, part, part === 'weight' ? [count, d] : [count], () =>
        scaled(rows(read(role, part), frozen, part === 'weight' ? d : 1), scale),
      );
    };
    const queryScale = 1 / Math.sqrt(headDim);
    const order = [...frozen, ...all.filter((head) => tuned.has(head))];
    const kept = this.mask.tune === 'qkv' ? order : frozen;
    const outputRows = () => rows(transposed(read('attentionOutput', 'weight'), d), kept, d);
    return {
      query: { weight: frozenRows('query', 'weight', queryScale), bias: frozenRows('query', 'bias', queryScale) },
      key: {
        weight: frozenRows('key', 'weight'),
        bias: variable('key', 'bias', [d], () => rows(read('key', 'bias'), order, 1)),
      },
      value: { weight: frozenRows('value', 'weight'), bias: frozenRows('value', 'bias') },
      output:
        kept.length > 0 ? variable('attentionOutput', 'weight', [kept.length * headDim, d], outputRows) : undefined,
      tuned: tuned.size,
      rest: this.tunesAll ? undefined : this.rest(variable),
    };
  }

  private rest(tensor: TensorOf): LayerRest {
    const { hiddenSize: d, intermediateSize, layerNormEps: epsilon, activation } = this.checkpoint.config;
    const norm = (role: LayerRole): NormWeights => ({
      scale: tensor(role, 'weight', [d]),
      offset: tensor(role, 'bias', [d]),
      epsilon,
    });
    return {
      attentionOutputBias: tensor('attentionOutput', 'bias', [d]),
      attentionNorm: norm('attentionNorm'),
      intermediate: tensor('intermediate', 'weight', [intermediateSize, d]),
      intermediateBias: tensor('intermediate', 'bias', [intermediateSize]),
      activation,
      output: tensor('output', 'weight', [d, intermediateSize]),
      outputBias: tensor('output', 'bias', [d]),
      outputNorm: norm('outputNorm'),
    };
  }

  private assembleLayer(frozen: FrozenLayer, layer: number, slices: ReadonlyMap<string, Tensor>): LayerWeights {
    const { ops } = this;
    const { heads, headDim } = this.checkpoint.config;
    const trained: TensorOf = (role, part) => slices.get(this.name(layer, role, part)) as Tensor;
    const { attentionOutputBias, ...rest } = frozen.rest ?? this.rest(trained);
    const slice = (role: LayerRole, part: 'weight' | 'bias') => slices.get(this.name(layer, role, part));
    const joined = (above: Tensor | undefined, below: Tensor | undefined) =>
      ops.concat(
        [above, below].filter((part) => part !== undefined),
        0,
      );
    const scale = (part: Tensor | undefined) => part && ops.scale(part, 1 / Math.sqrt(headDim));
    return {
      ...rest,
      tunesRest: frozen.rest === undefined,
      attention: {
        heads,
        headDim,
        tuned: frozen.tuned,
        tunesOutput: this.mask.tune !== 'qkv',
        query: joined(frozen.query.weight, scale(slice('query', 'weight'))),
        queryBias: joined(frozen.query.bias, scale(slice('query', 'bias'))),
        key: joined(frozen.key.weight, slice('key', 'weight')),
        keyBias: frozen.key.bias,
        value: joined(frozen.value.weight, slice('value', 'weight')),
        valueBias: joined(frozen.value.bias, slice('value', 'bias')),
        output: joined(frozen.output, slice('attentionOutput', 'weight')),
        outputBias: attentionOutputBias,
      },
    };
  }
}

/** The given heads' blocks of `size` numbers, in that order. */
function headRows(values: Float32Array, heads: number[], size: number): Float32Array {
  const picked = new Float32Array(heads.length * size);
  heads.forEach((head, i) => {
    picked.set(values.subarray(head * size, (head + 1) * size), i * size);
  });
  return picked;
}

const scaled = (values: Float32Array, factor: number) => (factor === 1 ? values : values.map((v) => v * factor));

/** A square matrix, row by row, transposed. */
function transposed(values: Float32Array, size: number): Float32Array {
  const result = new Float32Array(values.length);
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) result[column * size + row] = values[row * size + column];
  }
  return result;
}
