import * as fs from 'node:fs';
import type { Tensor } from '@tensorflow/tfjs-node';
import { type Encoded, evaluationBatches, lengthsOf, padBatch } from '../data/batches';
import type { Checkpoint } from '../model/checkpoint';
import { FAMILIES } from '../model/families';
import type { Embeddings } from './embeddings';
import type { Encoder } from './encoder';
import { runLayer } from './layer';
import { layerNorm } from './layer-norm';
import type { Ops } from './ops';

/** Rows of one batch of the plan. Fixed: a row's bits must not depend on the training's batch size. */
const PLAN_ROWS = 32;

/** Added to the attention scores of padding: their probability is 0 exactly. */
const PADDING = -1e9;

/** A batch as the tuned layers take it. */
export interface HiddenBatch {
  hidden: Float32Array; // [B·S, d]
  mask: Float32Array; // [B, 1, 1, S]
  B: number;
  S: number;
}

/**
 * The output of everything below the lowest tuned layer, computed once a row and read back in every epoch. It lies in a
 * file: memory stays flat, and the system's page cache makes reading it back cheap. Where no layer is tuned it holds the
 * last hidden state of position 0 alone.
 */
export class Prefix {
  private readonly offsets: Float64Array; // in tokens
  /** Tokens that the tuned part sees of each row. */
  readonly lengths: Int32Array;

  private constructor(
    private readonly file: number,
    lengths: Int32Array,
    private readonly hiddenSize: number,
  ) {
    this.lengths = lengths;
    this.offsets = new Float64Array(lengths.length + 1);
    for (let row = 0; row < lengths.length; row++) this.offsets[row + 1] = this.offsets[row] + lengths[row];
  }

  /**
   * Runs the frozen layers over all rows in a plan that depends on the rows alone: sorted by length, fixed batches. So a row's
   * bits are the same whenever they are computed.
   *
   * @param file path of the file to hold the result; it is unlinked at once and lives as long as this object
   * @yields rows done
   */
  static async *compute(
    ops: Ops,
    checkpoint: Checkpoint,
    encoder: Encoder,
    embeddings: Embeddings,
    rows: readonly Encoded[],
    file: string,
  ): AsyncGenerator<number, Prefix> {
    const { hiddenSize: d, layers } = checkpoint.config;
    const all = lengthsOf(rows);
    const firstOnly = encoder.lowest === layers;
    const handle = fs.openSync(file, 'w+');
    fs.unlinkSync(file);
    const prefix = new Prefix(handle, firstOnly ? new Int32Array(rows.length).fill(1) : all, d);
    let done = 0;
    for (const batch of evaluationBatches(all, PLAN_ROWS)) {
      const { hidden, S } = runFrozen(
        ops,
        checkpoint,
        encoder,
        embeddings,
        Array.from(batch, (row) => rows[row]),
      );
      batch.forEach((row, i) => {
        const from = i * S * d;
        prefix.write(row, hidden.subarray(from, from + prefix.lengths[row] * d));
      });
      done += batch.length;
      yield done;
    }
    return prefix;
  }

  /** The given rows, padded on the right to the longest. */
  read(rows: ArrayLike<number>): HiddenBatch {
    const d = this.hiddenSize;
    const B = rows.length;
    const S = Array.from(rows).reduce((longest, row) => Math.max(longest, this.lengths[row]), 0);
    const hidden = new Float32Array(B * S * d);
    const mask = new Float32Array(B * S);
    for (let b = 0; b < B; b++) {
      const row = rows[b];
      const target = new Uint8Array(hidden.buffer, b * S * d * 4, this.lengths[row] * d * 4);
      fs.readSync(this.file, target, 0, target.length, this.offsets[row] * d * 4);
      mask.fill(PADDING, b * S + this.lengths[row], (b + 1) * S);
    }
    return { hidden, mask, B, S };
  }

  close(): void {
    fs.closeSync(this.file);
  }

  private write(row: number, values: Float32Array): void {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    fs.writeSync(this.file, bytes, 0, bytes.length, this.offsets[row] * this.hiddenSize * 4);
  }
}

/** Embeddings and the layers below the lowest tuned one, as in evaluation. */
export function runFrozen(
  ops: Ops,
  checkpoint: Checkpoint,
  encoder: Encoder,
  embeddings: Embeddings,
  rows: readonly Encoded[],
): HiddenBatch {
  const { config } = checkpoint;
  const batch = padBatch(rows, config.padTokenId);
  const { B, S } = batch;
  const mask = Float32Array.from(batch.mask, (real) => (real ? 0 : PADDING));
  const hidden = ops.tidy(() => {
    const { embeddingsNorm } = FAMILIES[config.family].modules;
    const norm = {
      scale: ops.floats(checkpoint.tensor(`${embeddingsNorm}.weight`), [config.hiddenSize]),
      offset: ops.floats(checkpoint.tensor(`${embeddingsNorm}.bias`), [config.hiddenSize]),
      epsilon: config.layerNormEps,
    };
    const maskTensor = ops.floats(mask, [B, 1, 1, S]);
    let state: Tensor = layerNorm(ops, ops.floats(embeddings.sum(batch), [B * S, config.hiddenSize]), norm).value;
    encoder.assemble(new Map(), 0, encoder.lowest).forEach((layer, i) => {
      state = runLayer(ops, state, maskTensor, layer, i === config.layers - 1).output;
    });
    return (state.dataSync() as Float32Array).slice();
  });
  // Where nothing is tuned the last layer has left position 0 alone.
  return encoder.lowest === config.layers ? { hidden, mask: new Float32Array(B), B, S: 1 } : { hidden, mask, B, S };
}
