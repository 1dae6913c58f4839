import { z } from 'zod';
import { bigList, byteIds, type Model } from './vocabulary';

const settings = z.object({
  vocab: bigList,
  unk_id: z.int('unk_id is missing; characters without a piece need one').min(0),
  byte_fallback: z.boolean().nullish(),
});

/** Difference between the score of the worst piece and that of an unknown character. */
const UNKNOWN_PENALTY = 10;

/**
 * Unigram language model (Kudo 2018). It splits a word so that the sum of the pieces' scores, log
 * probabilities, is highest (Viterbi's algorithm). Adjacent unknown characters are one unknown
 * token, or their bytes' tokens with `byte_fallback`.
 */
export function unigram(json: unknown): Model {
  const { vocab: pieces, unk_id: unknown, byte_fallback } = settings.parse(json);
  const vocab = new Map<string, number>();
  const scores = new Float64Array(pieces.length);
  // Length of the longest piece by its first code unit.
  const longest = new Uint16Array(0x10000);
  for (const [id, entry] of pieces.entries()) {
    const [piece, score] = Array.isArray(entry) ? entry : [];
    if (typeof piece !== 'string' || typeof score !== 'number') throw new Error(`vocab[${id}] is no [piece, score]`);
    vocab.set(piece, id);
    scores[id] = score;
    const first = piece.charCodeAt(0);
    if (piece.length > longest[first]) longest[first] = piece.length;
  }
  if (unknown >= pieces.length) throw new Error(`unk_id is ${unknown}; vocab has ${pieces.length} pieces`);
  const unknownScore = scores.reduce((least, score) => Math.min(least, score)) - UNKNOWN_PENALTY;

  /** Tokens of a text without a piece. */
  const unknownIds = (text: string): number[] => {
    return (byte_fallback && byteIds(text, vocab)) || [unknown];
  };

  return {
    vocab,
    tokenize(word) {
      const whole = word.length;
      const best = new Float64Array(whole + 1).fill(-Infinity); // score of the best split
      const start = new Int32Array(whole + 1); // start of that split's last piece
      const last = new Int32Array(whole + 1); // id of that piece
      best[0] = 0;
      const offer = (from: number, to: number, id: number, score: number) => {
        if (best[from] + score <= best[to]) return;
        best[to] = best[from] + score;
        start[to] = from;
        last[to] = id;
      };
      for (let from = 0, character = 0; from < whole; from += character) {
        character = word.codePointAt(from)! > 0xffff ? 2 : 1;
        const end = Math.min(whole, from + longest[word.charCodeAt(from)]);
        let alone = false;
        for (let to = from + character; to <= end; to++) {
          const id = vocab.get(word.slice(from, to));
          if (id === undefined) continue;
          offer(from, to, id, scores[id]);
          if (to === from + character) alone = true;
        }
        if (!alone) offer(from, from + character, unknown, unknownScore);
      }
      const ids: number[] = [];
      for (let to = whole; to > 0; ) {
        const end = to;
        do to = start[to];
        while (last[end] === unknown && to > 0 && last[to] === unknown);
        const id = last[end] === unknown ? vocab.get(word.slice(to, end)) : last[end];
        if (id !== undefined) ids.push(id);
        else ids.push(...unknownIds(word.slice(to, end)).reverse());
      }
      return ids.reverse();
    },
  };
}
