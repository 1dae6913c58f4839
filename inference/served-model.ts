import * as fs from 'node:fs';
import * as path from 'node:path';
import type { PaddedBatch } from '../data/batches';
import { type LabelSet, logitCount } from '../data/problem';
import { type WindowOptions, windowOptions } from '../data/word-windows';
import { readTaskHead } from '../delta/classifier-config';
import { DELTA_INFO, DELTA_TENSORS, readDelta } from '../delta/delta';
import { labelsOf } from '../delta/delta-info';
import { isOnnxFolder, onnxDtypeOf } from '../delta/onnx-folder';
import { PROBLEMS } from '../delta/problems';
import { type TrainedLengths, trainedLengths } from '../delta/trained-as';
import { concatenated } from '../foundation/concatenated';
import { invalidPart } from '../foundation/errors';
import { openOnnxModel } from '../infra/onnx/onnx-model';
import { openCheckpoint } from '../model/checkpoint';
import type { ModelConfig } from '../model/config';
import { filesState } from '../model/files-state';
import { loadTokenizer, type Tokenizer } from '../model/tokenizer';
import type { ReusedMemory } from './reused-memory';
import { rowsOf, ServedBase } from './served-base';
import { type ServedDelta, servedDelta, untuned } from './served-delta';
import type { Warm } from './warm-cache';

/** Longest text where no training says another length, in tokens. */
const MAX_LENGTH = 128;

/** Task head that answers: a delta's on its base, or a tuned model's own. */
export interface TaskHead extends Warm {
  labels: LabelSet;
  /** C. */
  outputs: number;
  /** Length and treatment of long texts. */
  lengths: WindowOptions;
  /** Values that differ from the base; absent in an ONNX folder. */
  delta?: ServedDelta;
}

/** Model that is ready to answer. */
export interface ServedModel extends Warm {
  config: ModelConfig;
  tokenizer: Tokenizer;
  /** Task head of the model itself; undefined for a base. */
  own?: TaskHead;
  /**
   * Reads a delta's files. Its memory is returned when it is closed.
   *
   * @throws HifiError INVALID_INPUT if it is damaged, of another base, or tunes more than heads or
   *   neurons
   */
  read(folder: string, memory: ReusedMemory): TaskHead;
  /**
   * Computes a batch's logits.
   *
   * @param heads of one kind: those of all sequences, or `each` of a sequence of its own
   * @returns for each head [B, C], or [B, S, C] of tokens; B is 1 if `each`
   */
  run(batch: PaddedBatch, heads: readonly TaskHead[], each: boolean): Promise<Float32Array[]>;
  close(): Promise<void>;
}

/**
 * Loads a base, a merged checkpoint or an exported ONNX folder.
 *
 * @throws HifiError INVALID_INPUT for a folder that is none of them
 */
export const openServedModel = (folder: string, threads: number): Promise<ServedModel> =>
  isOnnxFolder(folder) ? openOnnxFolder(folder, threads) : openBase(folder, threads);

async function openBase(folder: string, threads: number): Promise<ServedModel> {
  const checkpoint = await openCheckpoint(folder);
  try {
    const { config } = checkpoint;
    // What may be unusable is read before the sessions, which take memory.
    const tokenizer = loadTokenizer(folder);
    const stored = readTaskHead(checkpoint);
    const own = stored && labelsOf(stored.info);
    const base = await ServedBase.open(checkpoint, threads);
    const fileMemory = largestSoFar();
    return {
      config,
      tokenizer,
      bytes: checkpoint.weights.files.reduce((sum, { path: file }) => sum + fs.statSync(file).size, 0),
      ...(own && {
        own: headOf(
          own,
          {},
          untuned(config, PROBLEMS[own.problem].taskHead, stored.tensors, (count) => new Float32Array(count)),
        ),
      }),
      read(delta, memory) {
        const read = readDelta(delta, checkpoint, fileMemory);
        const served = servedDelta(
          checkpoint,
          read,
          (kind) => base.inputs(kind),
          (count) => memory.numbers(count),
        );
        if (!served)
          throw invalidPart('deltas', `${delta} tunes more than heads or neurons: export a checkpoint and ask that`);
        const head = headOf(labelsOf(read.info), trainedLengths(read.info), served);
        return { ...head, close: () => memory.give(served.memory) };
      },
      run: (batch, heads, each) =>
        base.run(
          batch,
          heads.map(({ delta }) => delta!),
          each,
        ),
      close: () => base.close(),
    };
  } catch (error) {
    checkpoint.close();
    throw error;
  }
}

async function openOnnxFolder(folder: string, threads: number): Promise<ServedModel> {
  const tokenizer = loadTokenizer(folder);
  const dtype = onnxDtypeOf(folder);
  const model = await openOnnxModel(folder, { device: 'cpu', threads }, dtype);
  const { config, labels } = model;
  const own = headOf(labels, {});
  return {
    config,
    tokenizer,
    bytes: model.bytes,
    own,
    read() {
      throw invalidPart('deltas', `${path.basename(folder)} is an exported model: deltas need their base`);
    },
    async run(batch) {
      // Products of one row, or with one column, take other kernels, whose bits depend on the
      // number of rows: a single text runs twice, and alone if it has one logit. It runs alone also
      // if a batch's values share a scale.
      const alone = own.outputs === 1 || dtype === 'q8';
      const parts: Float32Array[] = [];
      for (const part of alone ? rowsOf(batch) : [batch]) {
        const logits = await model.run(part.B === 1 ? twice(part) : part);
        parts.push(part.B === 1 ? logits.subarray(0, logits.length / 2) : logits);
      }
      return [concatenated(parts)];
    },
    close: async () => model.close(),
  };
}

/** Gives the same memory each time, or a larger one: what it held is not needed any more. */
function largestSoFar(): (bytes: number) => ArrayBuffer {
  let memory = new ArrayBuffer(0);
  return (bytes) => {
    if (memory.byteLength < bytes) memory = new ArrayBuffer(bytes);
    return memory;
  };
}

function headOf(
  labels: LabelSet,
  { maxLength = MAX_LENGTH, ...lengths }: TrainedLengths,
  delta?: ServedDelta,
): TaskHead {
  return {
    labels,
    outputs: logitCount(labels),
    lengths: windowOptions({ maxLength, ...lengths }),
    bytes: delta?.bytes ?? 0,
    ...(delta && { delta }),
  };
}

function twice({ B, S, ids, typeIds, mask, lengths }: PaddedBatch): PaddedBatch {
  const double = (values: Int32Array) => Int32Array.from([...values, ...values]);
  const doubled = { ids: double(ids), typeIds: double(typeIds), mask: double(mask), lengths: double(lengths) };
  return { B: 2 * B, S, ...doubled };
}

/** State of a delta's files. It differs for a changed file. */
export const deltaState = (folder: string) => filesState(folder, [DELTA_INFO, DELTA_TENSORS]);
