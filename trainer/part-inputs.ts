import type { ModelConfig } from '../model/architecture';
import type { LabelledBatch, RowInput } from './batch-parts';
import { TOKEN_NUMBERS } from './network';
import type { Ops, Tensor } from './ops';
import type { Feed } from './session';

/** Inputs of the graph for one of the parts of a batch that run at once. */
export interface PartInputs extends Record<RowInput, Tensor> {
  mask: Tensor; // [B, 1, 1, S]
  targets: Tensor; // [B, C], or [B·S, C] of tokens, or [B/2, 1] of pairs
}

/**
 * @param targetNumbers numbers of a target
 * @param lane number of the part among those that run at once
 */
export function partInputs(ops: Ops, config: ModelConfig, targetNumbers: number, lane: number): PartInputs {
  const rows = (name: string, width: number) => ops.input(`${name}/${lane}`, 'float32', [null, width]);
  return {
    words: rows('words', config.embeddingSize),
    numbers: rows('numbers', TOKEN_NUMBERS.length),
    hidden: rows('hidden', config.hiddenSize),
    mask: ops.input(`mask/${lane}`, 'float32', [null, 1, 1, null]),
    targets: rows('targets', targetNumbers),
  };
}

/** Values of a part's inputs. */
export function partFeeds(inputs: PartInputs, { rows, mask, targets, B, S }: LabelledBatch): [Tensor, Feed][] {
  const perRow = (input: Tensor, values: Float32Array, count: number): [Tensor, Feed] => [
    input,
    { values, shape: [count, values.length / count] },
  ];
  const named = Object.entries(rows) as [RowInput, Float32Array][];
  const targetNumbers = inputs.targets.shape[1]!;
  return [
    ...named.map(([name, values]) => perRow(inputs[name], values, B * S)),
    [inputs.mask, { values: mask, shape: [B, 1, 1, S] }],
    ...(targets ? [perRow(inputs.targets, targets, targets.length / targetNumbers)] : []),
  ];
}
