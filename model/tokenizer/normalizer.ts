import { z } from 'zod';
import { bertNormalizer } from './bert-normalizer';
import { charsmap } from './charsmap';
import { unknownKind } from './kind';
import { lowerCase } from './lower-case';
import { normalForm, withoutMarks } from './normal-form';
import { expressionOf, patternSettings } from './rust-pattern';

/**
 * Changes a text before it is split into words.
 * @param atStart false for a later part of a text, before which nothing is put; default true
 */
export type Normalizer = (text: string, atStart?: boolean) => string;

const FORMS = ['NFC', 'NFD', 'NFKC', 'NFKD'] as const;
const KINDS = [
  ...['BertNormalizer', 'Precompiled', 'Replace', 'Strip', 'Lowercase', 'Prepend', 'StripAccents'],
  ...FORMS,
  'Sequence',
];

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
      pattern: patternSettings,
      content: z.string(),
    }),
    z.object({ type: z.literal('Strip'), strip_left: z.boolean(), strip_right: z.boolean() }),
    z.object({ type: z.literal('Lowercase') }),
    z.object({ type: z.literal('Prepend'), prepend: z.string() }),
    z.object({ type: z.literal('StripAccents') }),
    z.object({ type: z.enum(FORMS) }),
    z.object({ type: z.literal('Sequence'), normalizers: z.array(z.unknown()) }),
  ],
  { error: unknownKind('normalizer', KINDS) },
);

/** Creates a normalizer. @param json `normalizer` of tokenizer.json; null leaves texts unchanged */
export function normalizer(json: unknown): Normalizer {
  if (json == null) return (text) => text;
  const parsed = settings.parse(json);
  switch (parsed.type) {
    case 'BertNormalizer':
      return bertNormalizer(parsed);
    case 'Precompiled':
      return charsmap(parsed.precompiled_charsmap);
    case 'Replace': {
      const { content } = parsed;
      const found = expressionOf(parsed.pattern);
      return (text) => text.replace(found, () => content);
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
    case 'Prepend':
      return (text, atStart = true) => (atStart && text !== '' ? parsed.prepend + text : text);
    case 'StripAccents':
      return withoutMarks;
    case 'Sequence': {
      const steps = parsed.normalizers.map(normalizer);
      return (text, atStart) => steps.reduce((normal, step) => step(normal, atStart), text);
    }
    default:
      return (text) => normalForm(text, parsed.type);
  }
}

const SPACES_AT_START = /^\p{White_Space}+/u;
const SPACES_AT_END = /(?<!\p{White_Space})\p{White_Space}+$/u;
