import type { CompactTokenIds } from '../data/batches';
import type { ServedDelta } from './served-delta';

/** Window of a text to run with some deltas. */
export interface Piece {
  window: CompactTokenIds;
  /** At least one, without repetition. */
  deltas: readonly ServedDelta[];
  /** Receives the logits of one delta. // [C], of tokens [S, C] */
  take(delta: ServedDelta, logits: Float32Array): void;
}

/**
 * Each window is padded to a multiple of this many tokens, alone or in a batch. So its logits never
 * depend on the texts that it shares a batch with.
 */
export const LENGTH_STEP = 8;

/** Most numbers of tokens in a batch, over all deltas; a window of more has a batch of its own. */
const BATCH_TOKENS = 4096;

/** Groups pieces of one padded length and the same deltas to batches. */
export function batchesOf(pieces: readonly Piece[]): Piece[][] {
  const alike = new Map<string, Piece[]>();
  const numbers = new Map<ServedDelta, number>();
  const numberOf = (delta: ServedDelta) => {
    const known = numbers.get(delta) ?? numbers.size;
    numbers.set(delta, known);
    return known;
  };
  for (const piece of pieces) {
    const key = [paddedLength(piece), ...piece.deltas.map(numberOf).sort((a, b) => a - b)].join();
    alike.set(key, [...(alike.get(key) ?? []), piece]);
  }
  return [...alike.values()].flatMap((group) => {
    const [{ deltas }] = group;
    const most = Math.max(1, Math.floor(BATCH_TOKENS / (paddedLength(group[0]) * deltas.length)));
    return Array.from({ length: Math.ceil(group.length / most) }, (_, i) => group.slice(i * most, (i + 1) * most));
  });
}

const paddedLength = ({ window }: Piece) => Math.ceil(window.ids.length / LENGTH_STEP) * LENGTH_STEP;
