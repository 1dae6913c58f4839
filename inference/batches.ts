import { type CompactTokenIds, type PaddedBatch, padBatch } from '../data/batches';
import type { ModelConfig } from '../model/config';
import type { TaskHead } from './served-model';

type Limits = Pick<ModelConfig, 'padTokenId' | 'maxPositions'>;

/** Window of a text to run with some task heads. */
export interface Piece {
  window: CompactTokenIds;
  /** At least one, without repetition. */
  heads: readonly TaskHead[];
  /** Receives the logits of one head. // [C], of tokens [S, C] */
  take(head: TaskHead, logits: Float32Array): void;
}

/** Windows of one padded length with the same task heads. */
export interface Batch {
  tokens: PaddedBatch;
  heads: readonly TaskHead[];
  pieces: readonly Piece[];
}

/**
 * Each window is padded to a multiple of this many tokens, alone or in a batch. So its logits never
 * depend on the texts that it shares a batch with.
 */
const LENGTH_STEP = 8;

/** Most tokens of a batch, over all heads; a window of more has a batch of its own. */
const BATCH_TOKENS = 4096;

/** Groups pieces of one padded length and the same heads to batches. */
export function batchesOf(pieces: readonly Piece[], { padTokenId, maxPositions }: Limits): Batch[] {
  const paddedLength = ({ window }: Piece) =>
    Math.min(maxPositions, Math.ceil(window.ids.length / LENGTH_STEP) * LENGTH_STEP);
  const alike = new Map<string, Piece[]>();
  const numbers = new Map<TaskHead, number>();
  const numberOf = (head: TaskHead) => {
    const number = numbers.get(head) ?? numbers.size;
    numbers.set(head, number);
    return number;
  };
  for (const piece of pieces) {
    const key = [paddedLength(piece), ...piece.heads.map(numberOf).sort((a, b) => a - b)].join();
    const group = alike.get(key);
    if (group) group.push(piece);
    else alike.set(key, [piece]);
  }
  return [...alike.values()].flatMap((group) => {
    const [{ heads }] = group;
    const S = paddedLength(group[0]);
    const most = Math.max(1, Math.floor(BATCH_TOKENS / (S * heads.length)));
    return Array.from({ length: Math.ceil(group.length / most) }, (_, i) => {
      const pieces = group.slice(i * most, (i + 1) * most);
      const windows = pieces.map(({ window }) => window);
      return { tokens: padBatch(windows, padTokenId, S), heads, pieces };
    });
  });
}
