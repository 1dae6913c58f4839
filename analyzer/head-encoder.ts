import * as ort from 'onnxruntime-node';
import type { PaddedBatch } from '../data/batches';
import { failed } from '../foundation/errors';
import type { ModelConfig } from '../model/config';
import { analysisModel, headOutputs, TOKEN_SIDE } from '../model/graph';
import type { GraphSource } from '../model/graph-source';
import type { WeightsFile } from '../model/onnx';
import type { DeviceUsed } from '../model/onnx-device';
import { PACKING } from '../model/onnx-inputs';
import { openSession } from '../model/onnx-session';
import { positionIds } from '../model/positions';
import type { EncodedOutputs, LayerOutputs } from './measure';

export interface EncoderOptions {
  device: DeviceUsed;
  /** True to fetch the head outputs themselves instead of their Gram matrices. */
  exact: boolean;
  threads: number;
}

/** Encoder in the engine, which computes the head outputs of batches. */
export class HeadEncoder {
  /** False after a failed batch, because the engine may be unable to run another. */
  sound = true;

  private constructor(
    private readonly session: ort.InferenceSession,
    private readonly config: ModelConfig,
    private readonly exact: boolean,
  ) {}

  /**
   * Loads the encoder.
   *
   * @throws HifiError INVALID_INPUT for weights that are not finite; FAILED as {@link openSession}
   */
  static async load(source: GraphSource, { device, exact, threads }: EncoderOptions): Promise<HeadEncoder> {
    const build = (weights: WeightsFile) => analysisModel(source, exact ? 'context' : 'gram', weights);
    return new HeadEncoder(await openSession(build, { device, threads }), source.config, exact);
  }

  /** Runs one batch. Blocks the calling thread meanwhile. */
  async run(batch: PaddedBatch): Promise<EncodedOutputs> {
    const { layers, headDim } = this.config;
    // The smaller side of the Gram matrix, by the batch's padded length (docs/method.md).
    const gramSize = Math.min(batch.S, headDim);
    const outputs = await this.session.run(this.feeds(batch, batch.S < headDim)).catch((cause: Error) => {
      this.sound = false;
      throw failed(`the engine could not run a batch of ${batch.B} × ${batch.S} tokens: ${cause.message}`, cause);
    });
    const data = <T>(name: string) => outputs[name].data as T;
    return {
      lengths: batch.lengths,
      tokens: batch.S,
      gramSize,
      layers: Array.from({ length: layers }, (_, layer): LayerOutputs => {
        const names = headOutputs(layer);
        return this.exact
          ? { context: data<Float32Array>(names.context) }
          : { gram: data<Float64Array>(names.gram), tokenSum: data<Float64Array>(names.tokenSum) };
      }),
    };
  }

  async release(): Promise<void> {
    await this.session.release();
  }

  private feeds(batch: PaddedBatch, tokenSide: boolean): Record<string, ort.Tensor> {
    const { B, S, mask } = batch;
    const tokens = Array.from(mask.keys()).filter((at) => mask[at] !== 0);
    const places = new Int32Array(B * S);
    tokens.forEach((at, token) => {
      places[at] = token;
    });
    const positions = positionIds(this.config, batch.ids, S);
    const matrix = (at: (i: number) => number) =>
      new ort.Tensor(
        'int64',
        BigInt64Array.from({ length: B * S }, (_, i) => BigInt(at(i))),
        [B, S],
      );
    const inputs: Record<string, () => ort.Tensor> = {
      input_ids: () => matrix((i) => batch.ids[i]),
      position_ids: () => matrix((i) => positions[i]),
      token_type_ids: () => matrix((i) => batch.typeIds[i]),
      attention_mask: () => matrix((i) => mask[i]),
      [PACKING.tokens]: () => new ort.Tensor('int64', BigInt64Array.from(tokens, BigInt), [tokens.length]),
      [PACKING.places]: () => matrix((i) => places[i]),
      [TOKEN_SIDE]: () => new ort.Tensor('bool', Uint8Array.of(tokenSide ? 1 : 0), []),
    };
    return Object.fromEntries(this.session.inputNames.map((name) => [name, inputs[name]()]));
  }
}
