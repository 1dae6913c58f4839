import { type CompactTokenIds, type PaddedBatch, padBatch } from '../data/batches';
import type { ModelConfig } from '../model/config';
import type { TaskHead } from './served-model';

/** Window of a text to run with some task heads. */
export interface Piece {
  window: CompactTokenIds;
  /** At least one, without repetition. */
  heads: readonly TaskHead[];
  /** Receives the logits of one head. // [C], of tokens [S, C] */
  take(head: TaskHead, logits: Float32Array): void;
}

/** Windows of one padded length: all with the same task heads, or each with another one. */
export interface Batch {
  tokens: PaddedBatch;
  pieces: readonly Piece[];
  /** Heads that read every window, all of them or some; or, if `each`, one head of each window. */
  heads: readonly TaskHead[];
  each: boolean;
}

/**
 * Each window is padded to a multiple of this many tokens, alone or in a batch. So its logits never
 * depend on the texts that it shares a batch with.
 */
const LENGTH_STEP = 8;

/** Most tokens of a batch, over all heads; a window of more runs alone, with one head at a time. */
const BATCH_TOKENS = 4096;

/**
 * Most windows of a batch in which each has a task head of its own. Their heads' rows are copied
 * for the call, where the same heads for all are not.
 */
const MOST_EACH = 8;

/**
 * Groups pieces to batches: every window with each of its heads once. Each batch is padded when it
 * is asked for, so that all of them are never in memory.
 */
export function* batchesOf(pieces: readonly Piece[], config: ModelConfig): Generator<Batch> {
  const paddedLength = ({ window }: Piece) =>
    Math.min(config.maxPositions, Math.ceil(window.ids.length / LENGTH_STEP) * LENGTH_STEP);
  const numbers = new Map<TaskHead, number>();
  const numberOf = (head: TaskHead) => {
    const number = numbers.get(head) ?? numbers.size;
    numbers.set(head, number);
    return number;
  };
  const headsOf = (piece: Piece) => piece.heads.map(numberOf).sort((a, b) => a - b);
  const alike = grouped(pieces, (piece) => [paddedLength(piece), ...headsOf(piece)].join());
  const isSingle = (group: readonly Piece[]) => group.length === 1 && group[0].heads.length === 1;
  const batch = (pieces: readonly Piece[], heads: readonly TaskHead[], each: boolean): Batch => ({
    tokens: padBatch(
      pieces.map(({ window }) => window),
      config.padTokenId,
      paddedLength(pieces[0]),
    ),
    heads,
    pieces,
    each,
  });
  const singles = grouped(alike.filter(isSingle).flat(), (piece) =>
    [paddedLength(piece), piece.heads[0].delta?.kind].join(),
  );
  for (const group of singles) {
    for (const part of cut(group, Math.min(MOST_EACH, mostOf(paddedLength(group[0]))))) {
      yield batch(
        part,
        part.map(({ heads: [head] }) => head),
        part.length > 1,
      );
    }
  }
  for (const group of alike.filter((group) => !isSingle(group))) {
    const [first] = group;
    for (const heads of cut(first.heads, mostOf(paddedLength(first)))) {
      for (const part of cut(group, mostOf(paddedLength(first) * heads.length))) yield batch(part, heads, false);
    }
  }
}

/** Most windows, or heads, of a batch if each has this many tokens. */
const mostOf = (tokens: number) => Math.max(1, Math.floor(BATCH_TOKENS / tokens));

/** Pieces with the same key. */
function grouped(pieces: readonly Piece[], keyOf: (piece: Piece) => string): Piece[][] {
  const groups = new Map<string, Piece[]>();
  for (const piece of pieces) {
    const key = keyOf(piece);
    const group = groups.get(key);
    if (group) group.push(piece);
    else groups.set(key, [piece]);
  }
  return [...groups.values()];
}

const cut = <T>(all: readonly T[], most: number): T[][] =>
  Array.from({ length: Math.ceil(all.length / most) }, (_, i) => all.slice(i * most, (i + 1) * most));
