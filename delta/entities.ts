/** Entity in a row of tags. */
export interface EntitySpan {
  /** Type of the entity: its tags without `B-` and `I-`. */
  label: string;
  /** Number of its first word. */
  start: number;
  /** Number of the word after its last one. */
  end: number;
}

/** Tag of a word outside all entities. */
export const OUTSIDE = 'O';

const IOB2 = /^([BI])-(.+)$/s;

/**
 * Returns true for the tags of entities in IOB2: `O`, `B-TYPE` for the first word of an entity and
 * `I-TYPE` for its others. Each `I-TYPE` needs a `B-TYPE`.
 */
export function isIob2(tags: readonly string[]): boolean {
  const known = new Set(tags);
  const entity = tags.filter((tag) => tag !== OUTSIDE);
  return entity.length > 0 && entity.every((tag) => IOB2.test(tag) && known.has(`B${tag.slice(1)}`));
}

/**
 * Entities of one row, as seqeval's default mode finds them (Nakayama 2018, after conlleval): one
 * begins with `B-`, or with an `I-` that does not continue an entity of its type.
 */
export function entitiesOf(tags: readonly string[]): EntitySpan[] {
  const entities: EntitySpan[] = [];
  let last: EntitySpan | undefined;
  for (const [at, tag] of tags.entries()) {
    const [, place, label] = IOB2.exec(tag) ?? [];
    if (label !== undefined && place === 'I' && last?.label === label) {
      last.end = at + 1;
    } else {
      last = label === undefined ? undefined : { label, start: at, end: at + 1 };
      if (last) entities.push(last);
    }
  }
  return entities;
}
