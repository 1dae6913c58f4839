import { z } from 'zod';
import { PUNCTUATION } from './bert-characters';
import { bertWords } from './bert-normalizer';
import { byteCharacters, byteLevelWords } from './byte-level';
import { unknownKind } from './kind';
import { expressionOf, patternSettings } from './rust-pattern';
import { BEHAVIORS, splitAt } from './split';

/**
 * Splits a normalized text into words, none of them empty.
 * @param atStart true at the beginning of the text, without even a special token before it
 */
export type PreTokenizer = (text: string, atStart: boolean) => string[];

const KINDS = ['BertPreTokenizer', 'ByteLevel', 'Metaspace', 'Punctuation', 'Split', 'WhitespaceSplit', 'Sequence'];

const settings = z.discriminatedUnion(
  'type',
  [
    z.object({ type: z.literal('BertPreTokenizer') }),
    z.object({ type: z.literal('WhitespaceSplit') }),
    z.object({
      type: z.literal('ByteLevel'),
      add_prefix_space: z.boolean(),
      use_regex: z.boolean().default(true),
    }),
    z.object({
      type: z.literal('Metaspace'),
      replacement: z.string().min(1),
      prepend_scheme: z.enum(['always', 'first', 'never']).optional(),
      add_prefix_space: z.boolean().default(true),
      split: z.boolean().default(true),
    }),
    z.object({ type: z.literal('Punctuation'), behavior: z.enum(BEHAVIORS).default('Isolated') }),
    z.object({
      type: z.literal('Split'),
      pattern: patternSettings,
      behavior: z.enum(BEHAVIORS),
      invert: z.boolean().default(false),
    }),
    z.object({ type: z.literal('Sequence'), pretokenizers: z.array(z.unknown()) }),
  ],
  { error: unknownKind('pre_tokenizer', KINDS) },
);

/**
 * Creates a pre-tokenizer.
 * @param json `pre_tokenizer` of tokenizer.json; null takes the text as one word
 */
export function preTokenizer(json: unknown): PreTokenizer {
  if (json == null) return (text) => [text];
  const parsed = settings.parse(json);
  switch (parsed.type) {
    case 'BertPreTokenizer':
      return bertWords;
    case 'WhitespaceSplit':
      return (text) => text.match(/\P{White_Space}+/gu) ?? [];
    case 'ByteLevel': {
      const { add_prefix_space, use_regex } = parsed;
      return (text) => {
        const spaced = add_prefix_space && !text.startsWith(' ') ? ` ${text}` : text;
        return (use_regex ? byteLevelWords(spaced) : [spaced]).map(byteCharacters);
      };
    }
    case 'Metaspace': {
      const { replacement, split } = parsed;
      const prepend = parsed.prepend_scheme ?? (parsed.add_prefix_space ? 'always' : 'never');
      return (text, atStart) => {
        let marked = text.replaceAll(' ', () => replacement);
        const marks = prepend === 'always' || (prepend === 'first' && atStart);
        if (marks && !marked.startsWith(replacement)) marked = replacement + marked;
        return split ? beforeEach(marked, replacement) : [marked];
      };
    }
    case 'Punctuation':
      return (text) => splitAt(text, PUNCTUATION, parsed.behavior, false);
    case 'Split': {
      const { pattern, behavior, invert } = parsed;
      const expression = expressionOf(pattern);
      return (text) => splitAt(text, expression, behavior, invert);
    }
    case 'Sequence': {
      const steps = parsed.pretokenizers.map(preTokenizer);
      return (text, atStart) =>
        steps.reduce((words, step) => words.flatMap((word, i) => step(word, atStart && i === 0)), [text]);
    }
  }
}

/** Splits a text before every mark. */
function beforeEach(text: string, mark: string): string[] {
  const words: string[] = [];
  let start = 0;
  for (let next = text.indexOf(mark, 1); next >= 0; next = text.indexOf(mark, next + mark.length)) {
    words.push(text.slice(start, next));
    start = next;
  }
  words.push(text.slice(start));
  return words;
}
