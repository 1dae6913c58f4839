import * as crypto from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { z } from 'zod';
import { nearestSibling } from '../data/nearest';
import { writeFully, writing } from '../foundation/disk';
import { failed, HifiError, invalidInput } from '../foundation/errors';
import { readRegularFile } from '../foundation/regular-file';
import { publishFolder } from '../foundation/whole-folder';
import type { Checkpoint } from '../model/checkpoint';
import { type FloatDtype, roundTo } from '../model/rounding';
import { SafetensorsFile, type TensorSource, writeSafetensors } from '../model/safetensors';
import { parseHeader } from '../model/safetensors-header';
import { TOKENIZER_FILES } from '../model/tokenizer/files';
import { sha256OfShards, WEIGHTS_INDEX } from '../model/weights';
import { baseFilesOf } from './base-files';
import { putSlice, type Slice, takeSlice } from './slices';

/*
 * Format of undo.safetensors, from which a base's safetensors file or shards are rebuilt byte for
 * byte. A base in PyTorch's format is rebuilt as safetensors, each tensor byte for byte.
 *   header/FILE      U8, the file's first bytes: 8 for the length, then its JSON header
 *   config           U8, the base's config.json
 *   index            U8, a sharded base's model.safetensors.index.json
 *   tokenizer/FILE   U8, a base's tokenizer file that differs in the merged checkpoint; empty if
 *                    the base has none
 *   rows/NAME        displaced values of a tuned slice, in the base's type; columns transposed
 *   tensor/NAME      a whole tensor that the merged checkpoint dropped or replaced
 *   metadata.plan    UndoPlan: the name of each other tensor of the base in the merged checkpoint
 */
export const UNDO_FILE = 'undo.safetensors';
const CONFIG = 'config';
const INDEX = 'index';
const TOKENIZER = 'tokenizer/';

/** Tensor of the base that is also in the merged checkpoint. */
export interface SharedTensor {
  /** Name in the base's file. */
  base: string;
  /** Name in the merged checkpoint. */
  merged: string;
  /** Tuned part, if any. */
  slice?: Slice;
}

const tuned = z.object({
  axis: z.enum(['rows', 'columns']),
  /** Runs of indices: [first, one past the last]. */
  runs: z.array(z.tuple([z.int().min(0), z.int().min(0)])),
});
const undoPlan = z.object({
  schemaVersion: z.literal(2),
  base: z.object({
    name: z.string(),
    sha256: z.string(),
    /** SHA-256 of the rebuilt files, if the base is not stored as safetensors. */
    rebuiltSha256: z.string().optional(),
    /** Files in the order in which `sha256` takes them; sizes in bytes. */
    files: z.array(z.object({ name: z.string().regex(/^[^/\\\0]+\.safetensors$/), size: z.int().min(0) })).min(1),
  }),
  /**
   * Names in the base's file and in the merged one. Any other tensor is stored whole in
   * undo.safetensors.
   */
  kept: z.array(z.object({ base: z.string(), merged: z.string(), tuned: tuned.optional() })),
});
type UndoPlan = z.infer<typeof undoPlan>;

/**
 * Writes the file that {@link undoCheckpoint} needs beside the merged model.safetensors.
 * @param changed names of the tokenizer's files that differ from the base's
 */
export function writeUndo(
  folder: string,
  checkpoint: Checkpoint,
  shared: readonly SharedTensor[],
  changed: readonly string[],
): void {
  const { weights, name, sha256 } = checkpoint;
  const rebuilt = baseFilesOf(weights);
  const plan: UndoPlan = {
    schemaVersion: 2,
    base: {
      ...{ name, sha256, ...(rebuilt.sha256 !== undefined && { rebuiltSha256: rebuilt.sha256 }) },
      files: rebuilt.files.map((file) => ({ name: file.name, size: file.size })),
    },
    kept: [],
  };
  const sources: TensorSource[] = [];
  for (const { base, merged, slice } of shared) {
    plan.kept.push({ base, merged, ...(slice && { tuned: { axis: slice.axis, runs: toRuns(slice.indices) } }) });
    if (!slice) continue;
    const { dtype, shape } = weights.entry(base);
    sources.push({
      name: `rows/${base}`,
      dtype,
      shape: slice.shape,
      bytes: () => takeSlice(weights.bytes(base), shape, slice),
    });
  }
  const left = new Map(weights.tensors);
  for (const { base } of shared) left.delete(base);
  for (const [base, { dtype, shape }] of left) {
    sources.push({ name: `tensor/${base}`, dtype, shape, bytes: () => weights.bytes(base) });
  }
  sources.sort((a, b) => (a.name < b.name ? -1 : 1));
  const whole = (name: string, bytes: Uint8Array) =>
    sources.push({ name, dtype: 'U8', shape: [bytes.length], bytes: () => bytes });
  for (const file of rebuilt.files) whole(`header/${file.name}`, file.header);
  whole(CONFIG, readRegularFile(path.join(checkpoint.folder, 'config.json'))!);
  if (rebuilt.index) whole(INDEX, rebuilt.index);
  for (const name of changed) {
    whole(TOKENIZER + name, readRegularFile(path.join(checkpoint.folder, name)) ?? new Uint8Array(0));
  }
  writeSafetensors(path.join(folder, UNDO_FILE), sources, { format: 'hifi-undo', plan: JSON.stringify(plan) });
}

/** Rebuilt base. */
export interface Rebuilt {
  /**
   * SHA-256 of its weights, in hexadecimal: the merged base's own, or that of its tensors as
   * safetensors.
   */
  sha256: string;
}

/**
 * Rebuilds the base from a merged checkpoint, byte for byte: `model.safetensors`, or a sharded
 * base's files and index, `config.json` and the tokenizer's files. `out` must be new or empty and
 * appears whole or not at all.
 *
 * Blocks the thread until it is done.
 *
 * @param folder folder of the merged checkpoint
 * @param out new folder of the base
 * @returns hash of the rebuilt base
 * @throws INVALID_INPUT if `folder` is no merged checkpoint; FAILED if the result is not the base,
 *   because a file has changed since the merge
 */
export function undoCheckpoint(folder: string, out: string): Rebuilt {
  return withMerged(folder, (merged) => {
    publishFolder(out, (beside) => {
      checkRebuilt(merged, (name) => new FileWriter(path.join(beside, name)));
      fs.writeFileSync(path.join(beside, 'config.json'), merged.undo.bytes(CONFIG));
      if (merged.undo.tensors.has(INDEX)) fs.writeFileSync(path.join(beside, WEIGHTS_INDEX), merged.undo.bytes(INDEX));
      copyTokenizer(folder, beside);
      restoreTokenizer(merged.undo, beside);
    });
    const { sha256, rebuiltSha256 = sha256 } = merged.plan.base;
    return { sha256: rebuiltSha256 };
  });
}

/** Checks that {@link undoCheckpoint} would rebuild the base's bytes, without writing anything. */
export function verifyUndo(folder: string): void {
  withMerged(folder, (merged) => checkRebuilt(merged, () => ({ write() {}, close() {} })));
}

/** Copies the tokenizer's files that exist. */
export function copyTokenizer(from: string, to: string): void {
  for (const name of TOKENIZER_FILES) {
    const bytes = readRegularFile(path.join(from, name));
    if (bytes !== undefined) fs.writeFileSync(path.join(to, name), bytes);
  }
}

/** Replaces the tokenizer's files that differ from the base's. */
function restoreTokenizer(undo: SafetensorsFile, folder: string): void {
  for (const name of TOKENIZER_FILES.filter((each) => undo.tensors.has(TOKENIZER + each))) {
    const bytes = undo.bytes(TOKENIZER + name);
    const file = path.join(folder, name);
    if (bytes.length > 0) fs.writeFileSync(file, bytes);
    else fs.rmSync(file, { force: true });
  }
}

interface Merged {
  folder: string;
  plan: UndoPlan;
  undo: SafetensorsFile;
  model: SafetensorsFile;
}

function withMerged<T>(folder: string, use: (merged: Merged) => T): T {
  const file = path.join(folder, UNDO_FILE);
  if (!fs.existsSync(folder)) throw invalidInput(`${folder}: no such folder${nearestSibling(folder, 'folders')}`);
  if (!fs.existsSync(file)) throw invalidInput(`${folder} is not a merged checkpoint: it lacks ${UNDO_FILE}`);
  const undo = SafetensorsFile.open(file);
  try {
    const plan = readPlan(undo, file);
    const model = SafetensorsFile.open(path.join(folder, 'model.safetensors'));
    try {
      return use({ folder, plan, undo, model });
    } finally {
      model.close();
    }
  } finally {
    undo.close();
  }
}

function readPlan(undo: SafetensorsFile, file: string): UndoPlan {
  try {
    return undoPlan.parse(JSON.parse(undo.metadata?.plan ?? ''));
  } catch (error) {
    throw invalidInput(`${file}: its metadata holds no plan for undoing a merge`, error);
  }
}

/** Destination of a rebuilt file's bytes. */
interface Sink {
  write(bytes: Uint8Array): void;
  close(): void;
}

/** Rebuilds the base file by file, each piece by piece, and compares its SHA-256. */
function checkRebuilt(merged: Merged, sink: (file: string) => Sink): void {
  const { name, sha256, rebuiltSha256 = sha256, files } = merged.plan.base;
  const hashes: string[] = [];
  try {
    for (const file of files) {
      const hash = crypto.createHash('sha256');
      const into = sink(file.name);
      try {
        for (const piece of rebuild(merged, file)) {
          hash.update(piece);
          into.write(piece);
        }
      } finally {
        into.close();
      }
      hashes.push(hash.digest('hex'));
    }
  } catch (error) {
    if (!(error instanceof HifiError) && (error as NodeJS.ErrnoException).code) throw error;
    throw failed(
      `${merged.folder}: its files do not fit together (${(error as Error).message}); has one changed?`,
      error,
    );
  }
  const found = merged.undo.tensors.has(INDEX) ? sha256OfShards(hashes) : hashes[0];
  if (found !== rebuiltSha256) {
    throw failed(
      `${merged.folder}: the rebuilt file (sha256 ${found}) is not the base ${name} (sha256 ${rebuiltSha256})`,
    );
  }
}

/** Yields a file of the base: its header, then its tensors in the order of their bytes. */
function* rebuild({ plan, undo, model }: Merged, file: UndoPlan['base']['files'][number]): Generator<Uint8Array> {
  const header = undo.bytes(`header/${file.name}`);
  yield header;
  const { tensors } = parseHeader(undo.path, Buffer.from(header.buffer), file.size);
  const shared = new Map(plan.kept.map((tensor) => [tensor.base, tensor]));
  for (const [name, { dtype, shape }] of [...tensors].sort(([, a], [, b]) => a.begin - b.begin)) {
    const { merged, tuned } = shared.get(name) ?? {};
    if (merged === undefined) {
      yield undo.bytes(`tensor/${name}`);
      continue;
    }
    const bytes = bytesAs(dtype, model, merged);
    if (tuned) {
      const selection = { axis: tuned.axis, indices: fromRuns(tuned.runs) };
      putSlice(bytes, shape, selection, undo.bytes(`rows/${name}`));
    }
    yield bytes;
  }
}

/**
 * Bytes of a merged tensor in the base's type. An untuned number is exact, because it was widened
 * from that type.
 */
function bytesAs(dtype: string, model: SafetensorsFile, name: string): Uint8Array {
  return model.entry(name).dtype === dtype ? model.bytes(name) : roundTo(dtype as FloatDtype, model.float32(name));
}

function toRuns(indices: Int32Array): [number, number][] {
  const runs: [number, number][] = [];
  for (const index of indices) {
    const last = runs.at(-1);
    if (last && last[1] === index) last[1]++;
    else runs.push([index, index + 1]);
  }
  return runs;
}

const fromRuns = (runs: readonly (readonly [number, number])[]) =>
  Int32Array.from(runs.flatMap(([start, end]) => Array.from({ length: end - start }, (_, i) => start + i)));

/** New file that is written from start to end. */
class FileWriter implements Sink {
  private readonly handle: number;

  constructor(private readonly file: string) {
    this.handle = writing(file, () => fs.openSync(file, 'wx'));
  }

  write(bytes: Uint8Array): void {
    writeFully(this.handle, bytes, this.file);
  }

  close(): void {
    fs.closeSync(this.handle);
  }
}
