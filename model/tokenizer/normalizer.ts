import { z } from 'zod';
import { bertNormalizer } from './bert-normalizer';
import { charsmap } from './charsmap';
import { lowerCase } from './lower-case';

/** What is done to the text before it is cut into words. */
export type Normalizer = (text: string) => string;

const settings = z.discriminatedUnion(
  'type',
  [
    z.object({
      type: z.literal('BertNormalizer'),
      clean_text: z.boolean().optional(),
      handle_chinese_chars: z.boolean().optional(),
      strip_accents: z.boolean().nullish(),
      lowercase: z.boolean().optional(),
    }),
    z.object({ type: z.literal('Precompiled'), precompiled_charsmap: z.string() }),
    z.object({
      type: z.literal('Replace'),
      pattern: z.union([z.object({ String: z.string() }), z.object({ Regex: z.string() })]),
      content: z.string(),
    }),
    z.object({ type: z.literal('Strip'), strip_left: z.boolean(), strip_right: z.boolean() }),
    z.object({ type: z.literal('Lowercase') }),
    z.object({ type: z.enum(['NFC', 'NFD', 'NFKC', 'NFKD']) }),
    z.object({ type: z.literal('Sequence'), normalizers: z.array(z.unknown()) }),
  ],
  {
    error:
      'a normalizer of another kind than BertNormalizer, Precompiled, Replace, Strip, Lowercase, NFC … NFKD, Sequence',
  },
);

/** @param json `normalizer` of tokenizer.json; null leaves the text as it is */
export function normalizer(json: unknown): Normalizer {
  if (json == null) return (text) => text;
  const parsed = settings.parse(json);
  switch (parsed.type) {
    case 'BertNormalizer':
      return bertNormalizer(parsed);
    case 'Precompiled':
      return charsmap(parsed.precompiled_charsmap);
    case 'Replace': {
      const { pattern, content } = parsed;
      const found = 'Regex' in pattern ? new RegExp(pattern.Regex, 'gu') : pattern.String;
      return (text) => text.replaceAll(found, () => content);
    }
    case 'Strip': {
      const { strip_left, strip_right } = parsed;
      return (text) => {
        const right = strip_right ? text.replace(SPACES_AT_END, '') : text;
        return strip_left ? right.replace(SPACES_AT_START, '') : right;
      };
    }
    case 'Lowercase':
      return lowerCase;
    case 'Sequence': {
      const steps = parsed.normalizers.map(normalizer);
      return (text) => steps.reduce((normal, step) => step(normal), text);
    }
    default:
      return (text) => text.normalize(parsed.type);
  }
}

const SPACES_AT_START = /^\p{White_Space}+/u;
const SPACES_AT_END = /(?<!\p{White_Space})\p{White_Space}+$/u;
