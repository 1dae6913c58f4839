import type { Encoded } from '../data/batches';
import type { Dataset } from '../data/dataset';
import { windowRows } from '../data/windows';
import { windowOptions } from '../data/word-windows';
import { besideHeads } from '../delta/slices';
import { type Tuning, tuningOf } from '../delta/tuning';
import type { Checkpoint } from '../model/checkpoint';
import { SafetensorsFile, writeSafetensors } from '../model/safetensors';
import type { Tokenizer } from '../model/tokenizer';
import { allHeads } from './head-slices';
import { tokenLimit } from './inputs';
import { FreshRows } from './prefix';
import type { Program } from './program';
import { TokenRows } from './token-rows';
import { type Trainable, trainable } from './trainable';

/** Every parameter of a base that has a gradient, and no task head. */
export interface Body extends Trainable {
  tuning: Tuning;
}

/** Trainable parameters of a whole base, from its own values. */
export function wholeBody(checkpoint: Checkpoint): Body {
  const { config } = checkpoint;
  const tuning = tuningOf(config, allHeads(checkpoint, 'qkvo'), { parts: besideHeads(config) });
  return { tuning, ...trainable(checkpoint, tuning, config.hiddenSize, 0, 'none') };
}

/** Rows of a dataset as a body's network reads them; long ones are cut. */
export function bodyRows(
  { program, checkpoint, tokenizer }: { program: Program; checkpoint: Checkpoint; tokenizer: Tokenizer },
  dataset: Dataset,
  maxLength: number,
): { encoded: Encoded[]; rows: FreshRows } {
  const windows = windowOptions({ maxLength: tokenLimit(checkpoint, maxLength) });
  const encoded = windowRows(dataset, tokenizer, windows, checkpoint.config).windows;
  const tokens = new TokenRows(checkpoint, program.readsWords);
  return { encoded, rows: new FreshRows({ program, checkpoint, tokens }, encoded) };
}

const PARAMETERS = 'parameters';

/** Stores the parameters of a body, whole or not at all. // [P] */
export function writeBody(file: string, parameters: Float32Array): void {
  const bytes = () => new Uint8Array(parameters.buffer, parameters.byteOffset, parameters.byteLength);
  writeSafetensors(file, [{ name: PARAMETERS, dtype: 'F32', shape: [parameters.length], bytes }]);
}

/** Reads what {@link writeBody} stored. // [P] */
export function readBody(file: string): Float32Array {
  const stored = SafetensorsFile.open(file);
  try {
    return stored.float32(PARAMETERS);
  } finally {
    stored.close();
  }
}
