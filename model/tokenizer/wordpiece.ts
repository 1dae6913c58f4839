import { z } from 'zod';
import { bigObject, type Model, vocabularyMap } from './vocabulary';

const settings = z.object({
  vocab: bigObject,
  unk_token: z.string().default('[UNK]'),
  continuing_subword_prefix: z.string().default('##'),
  max_input_chars_per_word: z.int().default(100),
});

/**
 * WordPiece: takes the longest token that fits, from left to right; all but the first have the
 * prefix. A word without such tokens is unknown.
 */
export function wordPiece(json: unknown): Model {
  const { unk_token, continuing_subword_prefix: prefix, max_input_chars_per_word, ...parsed } = settings.parse(json);
  const vocab = vocabularyMap(parsed.vocab);
  const unknown = vocab.get(unk_token);
  if (unknown === undefined) throw new Error(`unk_token ${JSON.stringify(unk_token)} is no token of vocab`);
  return {
    vocab,
    tokenize(word) {
      if (word.length > max_input_chars_per_word && [...word].length > max_input_chars_per_word) return [unknown];
      const ids: number[] = [];
      for (let start = 0; start < word.length; ) {
        let end = word.length;
        let id: number | undefined;
        for (; end > start && id === undefined; end--) {
          const piece = word.slice(start, end);
          id = vocab.get(start === 0 ? piece : prefix + piece);
        }
        if (id === undefined) return [unknown];
        ids.push(id);
        start = end + 1;
      }
      return ids;
    },
  };
}
