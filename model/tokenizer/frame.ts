import { z } from 'zod';
import { unknownKind } from './kind';

/**
 * Token of the frame around the texts, or place of a text (0 the first, 1 the second), with its
 * segment.
 */
export type FramePart = { id: number; type: number } | { text: 0 | 1; type: number };

/** Frames around one text and around a pair. */
export interface Frames {
  single: readonly FramePart[];
  pair: readonly FramePart[];
}

const templatePart = z.union([
  z.object({ SpecialToken: z.object({ id: z.string(), type_id: z.int() }) }),
  z.object({ Sequence: z.object({ id: z.enum(['A', 'B']), type_id: z.int() }) }),
]);
const namedToken = z.tuple([z.string(), z.int()]);

const KINDS = ['BertProcessing', 'RobertaProcessing', 'TemplateProcessing', 'ByteLevel', 'Sequence'];

const settings = z.discriminatedUnion(
  'type',
  [
    z.object({ type: z.literal('BertProcessing'), sep: namedToken, cls: namedToken }),
    z.object({ type: z.literal('RobertaProcessing'), sep: namedToken, cls: namedToken }),
    z.object({
      type: z.literal('TemplateProcessing'),
      single: z.array(templatePart),
      pair: z.array(templatePart),
      special_tokens: z.record(z.string(), z.object({ ids: z.array(z.int()) })),
    }),
    z.object({ type: z.literal('ByteLevel') }),
    z.object({ type: z.literal('Sequence'), processors: z.array(z.unknown()) }),
  ],
  { error: unknownKind('post_processor', KINDS) },
);

/** Default frames: the texts alone, with the second in its own segment. */
const BARE: Frames = {
  single: [{ text: 0, type: 0 }],
  pair: [
    { text: 0, type: 0 },
    { text: 1, type: 1 },
  ],
};

/**
 * Creates the frames of a post-processor.
 * @param json `post_processor` of tokenizer.json, or null
 * @param has returns true for a token of the vocabulary
 */
export function frames(json: unknown, has: (token: string) => boolean): Frames {
  if (json == null) return BARE;
  const parsed = settings.parse(json);
  const known = (token: string) => {
    if (!has(token)) throw new Error(`post_processor adds "${token}"; it must be a token of the vocabulary`);
  };
  switch (parsed.type) {
    case 'ByteLevel': // Trims offsets, which are not used here.
      return BARE;
    case 'Sequence': {
      const framing = parsed.processors.map((each) => frames(each, has)).filter((each) => each !== BARE);
      if (framing.length > 1) throw new Error('post_processor is a Sequence of several that add tokens');
      return framing[0] ?? BARE;
    }
    case 'BertProcessing':
    case 'RobertaProcessing': {
      known(parsed.cls[0]);
      known(parsed.sep[0]);
      const [cls, sep] = [parsed.cls[1], parsed.sep[1]];
      const single: FramePart[] = [
        { id: cls, type: 0 },
        { text: 0, type: 0 },
        { id: sep, type: 0 },
      ];
      // RoBERTa has one segment, and two separators between the texts.
      const type = parsed.type === 'BertProcessing' ? 1 : 0;
      const between: FramePart[] = parsed.type === 'BertProcessing' ? [] : [{ id: sep, type }];
      return { single, pair: [...single, ...between, { text: 1, type }, { id: sep, type }] };
    }
    case 'TemplateProcessing': {
      const template = (parts: z.infer<typeof templatePart>[]): FramePart[] =>
        parts.flatMap((part): FramePart[] => {
          if ('Sequence' in part) return [{ text: part.Sequence.id === 'A' ? 0 : 1, type: part.Sequence.type_id }];
          const { id: token, type_id: type } = part.SpecialToken;
          known(token);
          const ids = parsed.special_tokens[token]?.ids;
          if (!ids) throw new Error(`post_processor does not define "${token}" of its template`);
          return ids.map((id) => ({ id, type }));
        });
      return { single: template(parsed.single), pair: template(parsed.pair) };
    }
  }
}
