import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as os from 'node:os';
import { type Encoded, evaluationBatches } from '../data/batches';
import { canonicalHash } from '../foundation/canonical-json';
import { writeFully } from '../foundation/disk';
import { failed } from '../foundation/errors';
import type { Precision } from '../foundation/precision';
import type { Checkpoint } from '../model/checkpoint';
import type { RowBatch } from './batch-parts';
import { MASKED } from './network';
import type { PrefixFile, PrefixPlace } from './prefix-file';
import type { Program } from './program';
import type { TokenRows } from './token-rows';

/**
 * Rows per batch of the plan. Constant, because a row's bits must not depend on the training's
 * batch size.
 */
export const PLAN_ROWS = 32;

/** Frozen part of the network: everything below the lowest tuned layer. */
export interface FrozenPart {
  program: Program;
  checkpoint: Checkpoint;
  tokens: TokenRows;
}

/** Output of the frozen part for every row of a dataset. Epochs read it batch by batch. */
export interface HiddenRows {
  /** Number of tokens of each row that the tuned part reads. */
  readonly lengths: Int32Array;
  /** True if an earlier training has computed it. */
  readonly isReused: boolean;
  /** Rows by their numbers, padded on the right to the longest. */
  read(rows: ArrayLike<number>): RowBatch;
  close(): void;
}

/**
 * Version of the frozen layers' arithmetic. Another version may round differently, so its files are
 * not read.
 */
const ARITHMETIC = 3;

/**
 * Name of the file: a hash of everything that the frozen layers' output depends on. The number of
 * threads is not: each part of a batch has one.
 *
 * @param engine where it is computed, as far as bits depend on it
 */
export function prefixName(
  {
    checkpoint,
    program,
  }: { checkpoint: Pick<Checkpoint, 'sha256' | 'config'>; program: Pick<Program, 'lowest' | 'reads'> },
  rows: readonly Encoded[],
  engine: { device: string; precision: Precision },
): string {
  const { sha256, config } = checkpoint;
  const { lowest, reads } = program;
  // config.json decides on much that the weights do not show, such as the reach of local attention.
  const model = `${sha256} ${canonicalHash(config.raw)} ${config.padTokenId}`;
  const output = lowest < config.layers ? lowest : `${lowest} ${reads}`;
  const place = `${engine.device} ${engine.precision} ${os.cpus()[0]?.model}`;
  const hash = createHash('sha256').update(`${ARITHMETIC} ${model} ${output} ${place}\n`);
  for (const { ids, typeIds } of rows) hash.update(`${ids.join()} ${typeIds.join()}\n`);
  return `${hash.digest('hex')}.f32`;
}

/**
 * Prepares the input of the tuned part. If the lowest layer is tuned, that input is the embeddings,
 * which cost less to compute than to cache. Otherwise the frozen layers run once over all rows, and
 * a file caches their output.
 *
 * @yields number of rows done
 */
export async function* hiddenRows(
  part: FrozenPart,
  rows: readonly Encoded[],
  place: PrefixPlace,
): AsyncGenerator<number, HiddenRows> {
  if (part.program.lowest === 0) return new FreshRows(part, rows);
  const lengths = part.tokens.lengths(rows);
  const stored = new StoredRows(part, lengths, place);
  let given = false;
  try {
    if (stored.isReused) {
      yield rows.length;
      given = true;
      return stored;
    }
    let done = 0;
    for (const batch of evaluationBatches(lengths, PLAN_ROWS)) {
      stored.write(batch, runFrozen(part, pick(rows, batch)));
      done += batch.length;
      yield done;
    }
    stored.file.finish();
    given = true;
    return stored;
  } finally {
    if (!given) stored.close(); // the pass failed, or its reader has left
  }
}

/**
 * Rows whose frozen part runs at each read: for a single read, or if it is the embeddings alone.
 */
export class FreshRows implements HiddenRows {
  readonly lengths: Int32Array;
  readonly isReused = false;

  constructor(
    private readonly part: FrozenPart,
    private readonly rows: readonly Encoded[],
  ) {
    this.lengths = part.tokens.lengths(rows);
  }

  read(rows: ArrayLike<number>): RowBatch {
    return runFrozen(this.part, pick(this.rows, rows));
  }

  close(): void {}
}

/**
 * Rows cached in a file. Memory stays flat, and the system's page cache makes reads cheap. Their
 * plan depends on the rows alone (sorted by length, fixed batches), so a row always has the same
 * bits. If no layer is tuned, only what the task head reads is stored, one token.
 */
class StoredRows implements HiddenRows {
  readonly lengths: Int32Array;
  readonly file: PrefixFile;
  private readonly offsets: Float64Array; // in tokens
  private readonly tokenBytes: number;

  constructor({ checkpoint, program }: FrozenPart, lengths: Int32Array, place: PrefixPlace) {
    const { hiddenSize } = checkpoint.config;
    this.lengths = program.storesOneToken ? new Int32Array(lengths.length).fill(1) : lengths;
    this.tokenBytes = 4 * hiddenSize;
    this.offsets = new Float64Array(lengths.length + 1);
    for (let row = 0; row < lengths.length; row++) this.offsets[row + 1] = this.offsets[row] + this.lengths[row];
    this.file = place(this.offsets[lengths.length] * this.tokenBytes);
  }

  get isReused(): boolean {
    return this.file.isReused;
  }

  read(rows: ArrayLike<number>): RowBatch {
    const B = rows.length;
    const S = Array.from(rows).reduce((longest, row) => Math.max(longest, this.lengths[row]), 0);
    const bytes = new Uint8Array(B * S * this.tokenBytes);
    const mask = new Float32Array(B * S);
    for (let b = 0; b < B; b++) {
      const row = rows[b];
      this.readRow(bytes.subarray(b * S * this.tokenBytes), row);
      mask.fill(MASKED, b * S + this.lengths[row], (b + 1) * S);
    }
    return { rows: { hidden: new Float32Array(bytes.buffer) }, mask, B, S };
  }

  /** Writes the rows of one batch of the plan. */
  write(rows: Int32Array, { rows: { hidden }, S }: RowBatch): void {
    if (!hidden) throw new Error('no layer is frozen');
    const bytes = new Uint8Array(hidden.buffer, hidden.byteOffset, hidden.byteLength);
    rows.forEach((row, b) => {
      const start = b * S * this.tokenBytes;
      const end = start + this.lengths[row] * this.tokenBytes;
      const { descriptor, path } = this.file;
      writeFully(descriptor, bytes.subarray(start, end), path, this.offsets[row] * this.tokenBytes);
    });
  }

  close(): void {
    this.file.close();
  }

  /** Reads one whole row. */
  private readRow(bytes: Uint8Array, row: number): void {
    const size = this.lengths[row] * this.tokenBytes;
    const place = this.offsets[row] * this.tokenBytes;
    for (let done = 0; done < size; ) {
      const moved = fs.readSync(this.file.descriptor, bytes, done, size - done, place + done);
      if (moved === 0) throw failed(`the file of the frozen layers' output ended within row ${row}`);
      done += moved;
    }
  }
}

const runFrozen = ({ program, tokens }: FrozenPart, rows: readonly Encoded[]): RowBatch =>
  program.frozen(tokens.batch(rows));

const pick = (rows: readonly Encoded[], at: ArrayLike<number>) => Array.from(at, (row) => rows[row]);
