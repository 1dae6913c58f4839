import { randomStream } from '../../data/random';

/** Names by type of entity; the last two of each are held out of training rows. */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  PER: ['Ada Byron', 'Bo Li', 'Carla', 'Dev Patel', 'Eve', 'Farid Aziz', 'Greta Holm', 'Hal'],
  LOC: ['Oslo', 'New Delhi', 'Lima', 'Cape Town', 'Kyoto', 'Quito', 'Riga', 'San Juan'],
  ORG: ['Acme', 'Blue Fox', 'Delta Works', 'Ionix', 'Kappa Labs', 'Nimbus', 'Orchid', 'Red Pine'],
  DATE: ['Monday', 'May 3', 'June', 'July 14', 'Friday', 'March 1', 'August', 'Sunday'],
};
const HELD_OUT = 2;

const PATTERNS = [
  'PER met PER in LOC on DATE .',
  'ORG opened an office in LOC .',
  'PER left ORG in DATE .',
  'nothing happened .',
  'on DATE , PER of ORG flew to LOC',
];

/** Row of words with their IOB2 tags. */
export interface EntityRow {
  tokens: string[];
  tags: string[];
}

/** Rows by a seeded grammar. @param heldOut true for names that no other rows have */
export function entityRows(count: number, seed: number, heldOut = false): EntityRow[] {
  const random = randomStream(seed, `test/entity-rows/${heldOut}`);
  const pick = <T>(values: readonly T[]) => values[random.int(values.length)];
  return Array.from({ length: count }, () => {
    const row: EntityRow = { tokens: [], tags: [] };
    for (const part of pick(PATTERNS).split(' ')) {
      const names = NAMES[part];
      const words = names ? pick(heldOut ? names.slice(-HELD_OUT) : names.slice(0, -HELD_OUT)).split(' ') : [part];
      row.tokens.push(...words);
      row.tags.push(...words.map((_, i) => (names ? `${i === 0 ? 'B' : 'I'}-${part}` : 'O')));
    }
    return row;
  });
}

export const asJsonLines = (rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

export const asConll = (rows: readonly EntityRow[]) =>
  rows.map(({ tokens, tags }) => tokens.map((word, i) => `${word}\t${tags[i]}\n`).join('')).join('\n');
