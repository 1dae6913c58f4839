import * as path from 'node:path';
import * as ort from 'onnxruntime-node';
import { type Encoded, lengthsOf, type PaddedBatch, padBatch } from '../../data/batches';
import { readTaskHeadInfo } from '../../delta/classifier-config';
import { meaningOf, type TunedModel } from '../../delta/inference';
import type { EvaluateRequest, InferenceOptions } from '../../delta/inference-options';
import { evaluateRows, type Logits } from '../../delta/logits';
import { ONNX_FILES, onnxBytes, onnxDtypeOf } from '../../delta/onnx-folder';
import { failed, invalidInput } from '../../foundation/errors';
import { usableCores } from '../../foundation/usable-cores';
import { readModelConfig } from '../../model/config';
import { selectDevice } from '../../model/onnx-device';
import type { OnnxDtype } from '../../model/onnx-dtype';

/** Exported model in onnxruntime. */
export interface OnnxTunedModel extends TunedModel {
  /** Size of its file and of a separate file of weights, in bytes. */
  bytes: number;
  /** Logits of a batch. // [B, C], of tokens [B, S, C] */
  run(batch: PaddedBatch): Promise<Float32Array>;
}

/** Name of a model's input → the tokenizer's output. */
const INPUTS: Record<string, (batch: PaddedBatch) => Int32Array> = {
  input_ids: ({ ids }) => ids,
  attention_mask: ({ mask }) => mask,
  token_type_ids: ({ typeIds }) => typeIds,
};

/**
 * Opens an exported ONNX folder in onnxruntime. Running it blocks the thread, so it belongs in a
 * child process.
 *
 * @param dtype file to open; default: the most exact number type
 * @throws INVALID_INPUT if the folder is no classifier of this layout; FAILED if onnxruntime
 *   rejects it
 */
export async function openOnnxModel(
  folder: string,
  { device, threads }: Pick<InferenceOptions, 'device' | 'threads'>,
  dtype: OnnxDtype = onnxDtypeOf(folder) ?? 'fp32',
): Promise<OnnxTunedModel> {
  const config = readModelConfig(folder);
  const file = path.join(folder, ONNX_FILES[dtype]);
  const used = await selectDevice(device);
  const session = await ort.InferenceSession.create(file, {
    executionProviders: used === 'cuda' ? ['cuda', 'cpu'] : ['cpu'],
    intraOpNumThreads: threads ?? usableCores(),
  }).catch((cause: Error) => {
    throw failed(`${file}: onnxruntime rejects it: ${cause.message.split('\n')[0]}`, cause);
  });
  try {
    const strange = session.inputNames.find((name) => !Object.hasOwn(INPUTS, name));
    if (strange !== undefined) {
      throw invalidInput(`${file}: has an input ${strange}; its inputs must be a tokenizer's outputs`);
    }
    const [output] = session.outputMetadata;
    const outputs = output?.isTensor && output.name === 'logits' ? output.shape.at(-1) : undefined;
    if (typeof outputs !== 'number') {
      throw invalidInput(`${file}: its first output must be logits, [rows, classes] or [rows, tokens, classes]`);
    }
    const run = async (batch: PaddedBatch) => {
      const feeds = session.inputNames.map((name) => [name, tensorOf(INPUTS[name](batch), batch)] as const);
      const { logits } = await session.run(Object.fromEntries(feeds), ['logits']);
      return logits.data as Float32Array;
    };
    return {
      folder,
      config,
      ...meaningOf(readTaskHeadInfo({ config, folder }, outputs)),
      bytes: onnxBytes(file),
      run,
      logits: (rows, batchSize) => evaluateRows(run, new PaddedRows(rows, config.padTokenId), batchSize, rows),
      close: () => session.release(),
    };
  } catch (error) {
    await session.release();
    throw error;
  }
}

/** int64 [B, S] */
const tensorOf = (values: Int32Array, { B, S }: PaddedBatch) =>
  new ort.Tensor('int64', BigInt64Array.from(values, BigInt), [B, S]);

/** Token rows in padded batches. */
class PaddedRows {
  readonly lengths: Int32Array;

  constructor(
    private readonly rows: readonly Encoded[],
    private readonly padId: number,
  ) {
    this.lengths = lengthsOf(rows);
  }

  read(rows: Int32Array): PaddedBatch {
    return padBatch(
      Array.from(rows, (row) => this.rows[row]),
      this.padId,
    );
  }
}

/**
 * Request to run rows through one file of an exported folder; default: the most exact number type.
 */
export type OnnxEvaluateRequest = EvaluateRequest & { dtype?: OnnxDtype };

/** Request to compute logits of token rows with an exported model. */
export interface OnnxLogitsRequest {
  folder: string;
  /** Files to run, one after the other. */
  dtypes: readonly OnnxDtype[];
  rows: readonly Encoded[];
  /** Rows have their lengths. */
  options: Omit<InferenceOptions, 'maxLength'>;
}

/** Computes the logits of token rows by each file, in the order of the request. */
export async function* onnxLogits({
  folder,
  dtypes,
  rows,
  options,
}: OnnxLogitsRequest): AsyncGenerator<number, Logits[]> {
  const all: Logits[] = [];
  for (const dtype of dtypes) {
    const model = await openOnnxModel(folder, options, dtype);
    try {
      all.push(yield* model.logits(rows, options.batchSize));
    } finally {
      await model.close();
    }
  }
  return all;
}
