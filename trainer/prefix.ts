import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { type Encoded, evaluationBatches, lengthsOf } from '../data/batches';
import { requireRoom, writeFully, writing } from '../foundation/disk';
import { failed } from '../foundation/errors';
import type { Checkpoint } from '../model/checkpoint';
import type { Program, RowBatch } from './program';
import { PADDING, type TokenRows } from './token-rows';

/**
 * Rows of one batch of the plan. Fixed: a row's bits must not depend on the training's batch size.
 */
export const PLAN_ROWS = 32;

/** The frozen part of the network: what stands below the lowest tuned layer. */
export interface FrozenPart {
  program: Program;
  checkpoint: Checkpoint;
  tokens: TokenRows;
}

/**
 * The output of the frozen part for every row of a data set, to be read a batch at a time, epoch
 * after epoch.
 */
export interface HiddenRows {
  /** Tokens that the tuned part sees of each row. */
  readonly lengths: Int32Array;
  /** The given rows, padded on the right to the longest. */
  read(rows: ArrayLike<number>): RowBatch;
  close(): void;
}

/** Where what the frozen layers put out lies. */
export interface PrefixFile {
  path: string;
  /**
   * Whether it stays, for others that need the same; else it is unlinked at once and lives as long
   * as the result.
   */
  shared: boolean;
}

/**
 * Version of the frozen layers' arithmetic: another one may round otherwise, so its files are not
 * read.
 */
const ARITHMETIC = 2;

/** A file's name for what the frozen layers put out: of all that this depends on. */
export function prefixName(
  { checkpoint, program }: Pick<FrozenPart, 'checkpoint' | 'program'>,
  rows: readonly Encoded[],
  device: string,
): string {
  const hash = createHash('sha256').update(`${ARITHMETIC} ${checkpoint.sha256} ${program.lowest} ${device}\n`);
  for (const { ids, typeIds } of rows) hash.update(`${ids.join()} ${typeIds.join()}\n`);
  return `${hash.digest('hex')}.f32`;
}

/**
 * Makes ready what the tuned part reads. Where the lowest layer is tuned that is the embeddings,
 * which cost less to make than to keep; else the frozen layers run once over all rows, and what
 * they put out is kept in a file.
 *
 * @yields rows done
 */
export async function* hiddenRows(
  part: FrozenPart,
  rows: readonly Encoded[],
  file: PrefixFile,
): AsyncGenerator<number, HiddenRows> {
  if (part.program.lowest === 0) return new FreshRows(part, rows);
  const stored = new StoredRows(part, lengthsOf(rows), file);
  let given = false;
  try {
    if (stored.isWhole) {
      yield rows.length;
      given = true;
      return stored;
    }
    let done = 0;
    for (const batch of evaluationBatches(lengthsOf(rows), PLAN_ROWS)) {
      stored.write(batch, runFrozen(part, pick(rows, batch)));
      done += batch.length;
      yield done;
    }
    stored.finish();
    given = true;
    return stored;
  } finally {
    if (!given) stored.close(); // the pass failed, or its reader has left
  }
}

/**
 * Rows that the frozen part runs over whenever they are read: for one reading, or where it is the
 * embeddings alone.
 */
export class FreshRows implements HiddenRows {
  readonly lengths: Int32Array;

  constructor(
    private readonly part: FrozenPart,
    private readonly rows: readonly Encoded[],
  ) {
    this.lengths = lengthsOf(rows);
  }

  read(rows: ArrayLike<number>): RowBatch {
    return runFrozen(this.part, pick(this.rows, rows));
  }

  close(): void {}
}

/**
 * Rows kept in a file: memory stays flat, and the system's page cache makes reading them back
 * cheap. They are computed in a plan that depends on the rows alone (sorted by length, fixed
 * batches), so that a row's bits are the same whenever that is. Where no layer is tuned the last
 * hidden state of position 0 is all that is kept.
 */
class StoredRows implements HiddenRows {
  readonly lengths: Int32Array;
  /** Whether it was there before. */
  readonly isWhole: boolean;
  private readonly file: number;
  /** True if a shared file is complete and in its place. */
  private finished = false;
  /** Where it is while it is written. */
  private readonly beside: string;
  private readonly offsets: Float64Array; // in tokens
  private readonly tokenBytes: number;

  constructor(
    { checkpoint, program }: FrozenPart,
    lengths: Int32Array,
    private readonly place: PrefixFile,
  ) {
    const { layers, hiddenSize } = checkpoint.config;
    this.lengths = program.lowest === layers ? new Int32Array(lengths.length).fill(1) : lengths;
    this.tokenBytes = 4 * hiddenSize;
    this.offsets = new Float64Array(lengths.length + 1);
    for (let row = 0; row < lengths.length; row++) this.offsets[row + 1] = this.offsets[row] + this.lengths[row];
    const { path, shared } = place;
    const bytes = this.offsets[lengths.length] * this.tokenBytes;
    this.isWhole = shared && fs.statSync(path, { throwIfNoEntry: false })?.size === bytes;
    this.beside = shared ? `${path}.${process.pid}` : path;
    if (!this.isWhole) requireRoom(path, bytes);
    this.file = this.isWhole ? fs.openSync(path, 'r') : writing(path, () => fs.openSync(this.beside, 'w+'));
    if (!shared) fs.unlinkSync(path);
  }

  /** All rows are written. */
  finish(): void {
    if (!this.place.shared) return;
    // A later process recognises a complete file by its size alone.
    writing(this.place.path, () => fs.fsyncSync(this.file));
    fs.renameSync(this.beside, this.place.path);
    this.finished = true;
  }

  read(rows: ArrayLike<number>): RowBatch {
    const B = rows.length;
    const S = Array.from(rows).reduce((longest, row) => Math.max(longest, this.lengths[row]), 0);
    const bytes = new Uint8Array(B * S * this.tokenBytes);
    const mask = new Float32Array(B * S);
    for (let b = 0; b < B; b++) {
      const row = rows[b];
      this.readRow(bytes.subarray(b * S * this.tokenBytes), row);
      mask.fill(PADDING, b * S + this.lengths[row], (b + 1) * S);
    }
    return { rows: { hidden: new Float32Array(bytes.buffer) }, mask, B, S };
  }

  /** Keeps the rows of one batch of the plan. */
  write(rows: Int32Array, { rows: { hidden }, S }: RowBatch): void {
    if (!hidden) throw new Error('no layer is frozen');
    const bytes = new Uint8Array(hidden.buffer, hidden.byteOffset, hidden.byteLength);
    rows.forEach((row, b) => {
      const start = b * S * this.tokenBytes;
      const end = start + this.lengths[row] * this.tokenBytes;
      writeFully(this.file, bytes.subarray(start, end), this.place.path, this.offsets[row] * this.tokenBytes);
    });
  }

  close(): void {
    fs.closeSync(this.file);
    if (this.place.shared && !this.isWhole && !this.finished) fs.rmSync(this.beside, { force: true });
  }

  /** Reads one whole row. */
  private readRow(bytes: Uint8Array, row: number): void {
    const size = this.lengths[row] * this.tokenBytes;
    const place = this.offsets[row] * this.tokenBytes;
    for (let done = 0; done < size; ) {
      const moved = fs.readSync(this.file, bytes, done, size - done, place + done);
      if (moved === 0) throw failed(`the file of the frozen layers' output ended within row ${row}`);
      done += moved;
    }
  }
}

const runFrozen = ({ program, tokens }: FrozenPart, rows: readonly Encoded[]): RowBatch =>
  program.frozen(tokens.batch(rows));

const pick = (rows: readonly Encoded[], at: ArrayLike<number>) => Array.from(at, (row) => rows[row]);
