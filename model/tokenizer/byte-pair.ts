import { z } from 'zod';
import { bigList, bigObject, byteIds, type Model, vocabularyMap } from './vocabulary';

const settings = z.object({
  vocab: bigObject,
  merges: bigList,
  unk_token: z.string().nullish(),
  fuse_unk: z.boolean().nullish(),
  ignore_merges: z.boolean().nullish(),
  dropout: z.literal(0).nullish(),
  continuing_subword_prefix: z.literal('').nullish(),
  end_of_word_suffix: z.literal('').nullish(),
  byte_fallback: z.boolean().nullish(),
});

/**
 * Byte-pair encoding (Sennrich et al. 2016). The characters of a word are merged pair by pair, the
 * pair of the lowest rank first, of equal pairs the leftmost. A character without a token becomes
 * the tokens of its bytes with `byte_fallback`, else the unknown token; it is dropped if there is
 * none.
 */
export function bytePair(json: unknown): Model {
  const parsed = settings.parse(json);
  const vocab = vocabularyMap(parsed.vocab);
  const size = vocab.size;
  const rankOf = new Map<number, number>(); // left id · size + right id → rank
  const mergedId = new Int32Array(parsed.merges.length); // rank → id
  const idOf = (token: string) => {
    const id = vocab.get(token);
    if (id === undefined) throw new Error(`merges use ${JSON.stringify(token)}, which is no token of vocab`);
    return id;
  };
  for (const [rank, merge] of parsed.merges.entries()) {
    const [left, right] = typeof merge === 'string' ? merge.split(' ') : Array.isArray(merge) ? merge : [];
    if (typeof left !== 'string' || typeof right !== 'string') throw new Error(`merges[${rank}] is no pair of tokens`);
    rankOf.set(idOf(left) * size + idOf(right), rank);
    mergedId[rank] = idOf(left + right);
  }
  const unknown = parsed.unk_token == null ? undefined : idOf(parsed.unk_token);

  const characterIds = (word: string): number[] => {
    const ids: number[] = [];
    let waiting = 0; // Unknown tokens that follow the bytes after them, as in the Rust library.
    const flush = () => {
      for (; waiting > 0; waiting--) ids.push(unknown!);
    };
    for (const character of word) {
      const id = vocab.get(character);
      const bytes = id === undefined && parsed.byte_fallback ? byteIds(character, vocab) : undefined;
      if (id !== undefined) {
        flush();
        ids.push(id);
      } else if (bytes) ids.push(...bytes);
      else if (unknown !== undefined && !(waiting > 0 && parsed.fuse_unk)) {
        flush();
        waiting = 1;
      }
    }
    flush();
    return ids;
  };

  return {
    vocab,
    tokenize(word) {
      const whole = parsed.ignore_merges ? vocab.get(word) : undefined;
      return whole === undefined ? mergeAll(characterIds(word), size, rankOf, mergedId) : [whole];
    },
  };
}

/** Queue entries are `rank · POSITIONS + position`, so ranks are compared first. */
const POSITIONS = 2 ** 28;

/**
 * Merges until no neighbours have a rank. Symbols are a linked list; a merged one stays at the
 * place of its left part.
 */
function mergeAll(ids: number[], size: number, rankOf: Map<number, number>, mergedId: Int32Array): number[] {
  if (ids.length < 2) return ids;
  const next = Int32Array.from(ids, (_, i) => i + 1);
  const previous = Int32Array.from(ids, (_, i) => i - 1);
  const queue: number[] = [];
  const rankAt = (i: number) => (next[i] < ids.length ? rankOf.get(ids[i] * size + ids[next[i]]) : undefined);
  const offer = (i: number) => {
    const rank = rankAt(i);
    if (rank !== undefined) pushHeap(queue, rank * POSITIONS + i);
  };
  for (let i = 0; i + 1 < ids.length; i++) offer(i);
  while (queue.length > 0) {
    const entry = popHeap(queue);
    const i = entry % POSITIONS;
    const rank = (entry - i) / POSITIONS;
    if (ids[i] < 0 || rankAt(i) !== rank) continue; // Another merge has replaced the pair.
    const gone = next[i];
    ids[i] = mergedId[rank];
    ids[gone] = -1;
    next[i] = next[gone];
    if (next[i] < ids.length) previous[next[i]] = i;
    if (previous[i] >= 0) offer(previous[i]);
    offer(i);
  }
  return ids.filter((id) => id >= 0);
}

function pushHeap(heap: number[], value: number): void {
  let at = heap.length;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (heap[parent] <= value) break;
    heap[at] = heap[parent];
    at = parent;
  }
  heap[at] = value;
}

function popHeap(heap: number[]): number {
  const [least] = heap;
  const value = heap.pop()!;
  if (heap.length === 0) return least;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && heap[child + 1] < heap[child]) child++;
    if (heap[child] >= value) break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = value;
  return least;
}
