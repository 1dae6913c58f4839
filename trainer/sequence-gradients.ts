import type { OfHeads } from './attention';
import { Dropout } from './dropout';
import { projectEmbeddings } from './embeddings';
import { Encoder } from './encoder';
import { targetValues } from './loss';
import { assembleNetwork, differentiate } from './network';
import { Ops, type Tensor } from './ops';
import type { HiddenBatch, ProgramParts } from './program';
import { Session, type TensorFlow } from './session';
import { taskHeadNames } from './task-head';

/** Nothing is tuned but the task head. */
export const NO_HEADS = { heads: [], tune: 'qkv' as const };

/**
 * The whole network, no head tuned and dropout off, as a graph that ends at a number for each head and sequence. The loss is
 * each sequence's own; padding adds nothing, and nor do, in the last layer, the tokens that the task head does not read.
 *
 * - `gates` (Michel et al. 2019; docs/method.md): a gate (= 1) multiplies a head's output before W_O, so that ∂loss/∂gate is Σ over
 *   tokens and entries of ∂loss/∂O_h ⊙ O_h.
 * - `squares` (the diagonal of the empirical Fisher information, with the labels given, a sequence at a time: Sung et al. 2021,
 *   arXiv 2111.09839, eq. 4): Σ g² over the numbers that tuning the head would tune, its rows of W_Q, W_K and W_V and of the
 *   biases of Q and V.
 */
export class SequenceGradients {
  private readonly session: Session;
  private readonly inputs: Record<'embedded' | 'mask' | 'parameters' | 'targets', Tensor>;
  private readonly heads: Tensor[];

  /** Holds the base's layers until {@link SequenceGradients.close}. */
  constructor(
    tf: TensorFlow,
    private readonly parts: Omit<ProgramParts, 'mask'>,
    ofHeads: OfHeads,
  ) {
    const { checkpoint, layout, outputs, problem } = parts;
    const { config } = checkpoint;
    const ops = new Ops();
    const inputs = {
      embedded: ops.input('embedded', 'float32', [null, config.embeddingSize]),
      mask: ops.input('mask', 'float32', [null, 1, 1, null]),
      parameters: ops.input('parameters', 'float32', [layout.size]),
      targets: ops.input('targets', 'float32', [null, outputs]),
    };
    const encoder = new Encoder(ops, checkpoint, NO_HEADS);
    const { mask, parameters, targets } = inputs;
    const hidden = projectEmbeddings(ops, checkpoint, inputs.embedded); // [B·S, d]
    const still = { ...config, hiddenDropout: 0, attentionDropout: 0, classifierDropout: 0 };
    const tuned = assembleNetwork(still, encoder, taskHeadNames(config), layout.split(ops, parameters));
    const whole = { ...tuned, layers: encoder.assemble(new Map(), 0, config.layers) };
    const noDropout = new Dropout(ops.input('dropoutKey', 'int32', [1]));
    const { heads } = differentiate(ops, whole, hidden, mask, targets, ops.scalar(1), problem, noDropout, ofHeads);
    this.inputs = inputs;
    this.heads = heads;
    this.session = new Session(tf, ops);
  }

  /**
   * What was asked for of each sequence and head.
   *
   * @param head the task head's numbers // [P]
   * @param batch from `embedRows`
   * @param targets class indices, or numbers; B of them
   * @returns `[B, H]` a layer, row by row
   */
  at(head: Float32Array, { hidden, mask, B, S }: HiddenBatch, targets: ArrayLike<number>): Float32Array[] {
    const { checkpoint, layout, outputs, problem } = this.parts;
    const held = this.session.run(
      [
        [this.inputs.embedded, { values: hidden, shape: [B * S, checkpoint.config.embeddingSize] }],
        [this.inputs.mask, { values: mask, shape: [B, 1, 1, S] }],
        [this.inputs.parameters, { values: head, shape: [layout.size] }],
        [this.inputs.targets, { values: targetValues(targets, outputs, problem), shape: [B, outputs] }],
      ],
      this.heads,
    );
    return held.map((layer) => {
      const values = layer.values();
      layer.dispose();
      return values;
    });
  }

  close(): void {
    this.session.close();
  }
}
