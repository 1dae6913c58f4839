import type { RandomStream } from '../data/random';
import type { Numbered } from './lexicon';
import * as lexicon from './lexicon';

/** A sentence without its capital and full stop. */
export interface Clause {
  words: string;
  acceptable: boolean;
}

/**
 * Two or four clauses of nearly the same words, half of them acceptable. Over a group each word form occurs as often in
 * acceptable as in unacceptable clauses, so that no count of words tells the two apart.
 */
export type Group = Clause[];

/** Draws a group. */
export type Phenomenon = (random: RandomStream) => Group;

const pick = <T>(random: RandomStream, from: readonly T[]): T => from[random.int(from.length)];
const chance = (random: RandomStream, p: number) => random.uniform() < p;

/** Two different entries. */
function pickTwo<T>(random: RandomStream, from: readonly T[]): [T, T] {
  const [a, b] = random.sample(from.length, 2);
  return [from[a], from[b]];
}

const join = (...parts: string[]) => parts.filter((part) => part !== '').join(' ');

/** Every pairing of the left's two forms with the right's two; acceptable where they agree. */
const crossed = (left: Numbered, right: Numbered, say: (left: string, right: string) => string): Group =>
  [0, 1].flatMap((l) => [0, 1].map((r) => ({ words: say(left[l], right[r]), acceptable: l === r })));

const opener = (random: RandomStream) => (chance(random, 0.3) ? `${pick(random, lexicon.OPENERS)},` : '');

/** A noun with what it does, and a noun of either number between the two: `key … are broken`, `cabinets`. */
function subject(random: RandomStream) {
  const number = random.int(2);
  if (chance(random, 0.5)) {
    const [noun, other] = pickTwo(random, lexicon.PEOPLE);
    return { person: true, noun, predicate: pick(random, lexicon.PEOPLE_DO), between: other[number] };
  }
  const between = pick(random, lexicon.PLACES)[number];
  return { person: false, noun: pick(random, lexicon.OBJECTS), predicate: pick(random, lexicon.OBJECTS_DO), between };
}

/** The keys to the cabinet are / *is old: the verb agrees with the head, whatever number stands next to it. */
const agreementAcrossPhrase: Phenomenon = (random) => {
  const start = opener(random);
  const { person, noun, predicate, between } = subject(random);
  const preposition = pick(random, person ? lexicon.BESIDE_PEOPLE : lexicon.BESIDE);
  const further = chance(random, 0.25) ? `${pick(random, lexicon.BESIDE)} the ${pick(random, lexicon.PLACES)[0]}` : '';
  return crossed(noun, predicate, (head, verb) => join(start, 'the', head, preposition, 'the', between, further, verb));
};

/** The keys that the guard found are / *is old: the same across a relative clause. */
const agreementAcrossClause: Phenomenon = (random) => {
  const start = opener(random);
  const { person, noun, predicate, between } = subject(random);
  const other = person ? between : pick(random, lexicon.PEOPLE)[random.int(2)];
  const did = pick(random, person ? lexicon.TREATED : lexicon.HANDLED);
  const clause = person && chance(random, 0.5) ? `who ${did} the ${other}` : `that the ${other} ${did}`;
  return crossed(noun, predicate, (head, verb) => join(start, 'the', head, clause, verb));
};

/** This heavy lamp / *lamps: determiner and noun agree across the adjectives. */
const determinerNoun: Phenomenon = (random) => {
  const start = opener(random);
  const determiner = pick(random, lexicon.DETERMINERS);
  const person = chance(random, 0.3);
  const [actor, noun] = pickTwo(random, lexicon.PEOPLE);
  const named = person ? noun : pick(random, lexicon.OBJECTS);
  const size = pick(random, person ? lexicon.MANNERS : lexicon.SIZES);
  const adjectives = join(size, !person && chance(random, 0.5) ? pick(random, lexicon.COLORS) : '');
  if (chance(random, 0.35)) {
    const happened = pick(random, person ? lexicon.PEOPLE_DID : lexicon.THINGS_HAPPENED);
    const when = chance(random, 0.5) ? pick(random, lexicon.WHEN) : '';
    return crossed(determiner, named, (the, one) => join(start, the, adjectives, one, happened, when));
  }
  const did = pick(random, person ? lexicon.TREATED : lexicon.HANDLED);
  const subjects = `the ${actor[random.int(2)]}`;
  const when = pick(random, lexicon.WHEN);
  return crossed(determiner, named, (the, one) => join(start, subjects, did, the, adjectives, one, when));
};

/** The king near the nurses hurt himself / *themselves: a reflexive agrees with the subject in number and gender. */
const reflexive: Phenomenon = (random) => {
  const start = opener(random);
  const did = pick(random, lexicon.REFLEXIVE);
  const when = chance(random, 0.6) ? pick(random, lexicon.WHEN) : '';
  const male = pick(random, lexicon.MALE);
  const female = pick(random, lexicon.FEMALE);
  const [nouns, selves]: [Numbered, Numbered] = chance(random, 0.3)
    ? [
        [male[0], female[0]],
        ['himself', 'herself'],
      ]
    : chance(random, 0.5)
      ? [male, ['himself', 'themselves']]
      : [female, ['herself', 'themselves']];
  const between = `${pick(random, lexicon.BESIDE_PEOPLE)} the ${pick(random, lexicon.PEOPLE)[random.int(2)]}`;
  return crossed(nouns, selves, (who, self) => join(start, 'the', who, between, did, self, when));
};

/** `has ever complained`, in the singular and the plural: phrases that want a negation above them. */
function polarityItem(random: RandomStream): Numbered {
  const rest = [
    () => `ever ${pick(random, lexicon.DONE)}`,
    () => `ever ${pick(random, lexicon.NEEDS_PERSON)} the ${pick(random, lexicon.PEOPLE)[0]}`,
    () => `${pick(random, lexicon.NEEDS_PERSON)} anyone`,
    () => `said anything ${pick(random, lexicon.SO_FAR)}`,
    () => `${pick(random, lexicon.DONE)} at all`,
    () => `bought any ${pick(random, lexicon.OBJECTS)[1]}`,
  ][random.int(6)]();
  return [`has ${rest}`, `have ${rest}`];
}

/** No guest that the chef met has ever smiled / *The guest that no chef met has ever smiled: the negation must be above. */
const negativePolarity: Phenomenon = (random) => {
  const start = chance(random, 0.6) ? pick(random, lexicon.CLAIMS) : opener(random);
  const [who, other] = pickTwo(random, lexicon.PEOPLE);
  const item = polarityItem(random);
  const kind = random.int(3);
  if (kind === 2) {
    const number = random.int(2);
    const have = number === 0 ? 'has' : 'have';
    const rest = item[number].slice(have.length + 1);
    const done = pick(random, lexicon.DONE);
    const say = (inner: string, outer: string) =>
      join(start, 'the', who[number], 'who', have, inner, done, have, outer, rest);
    return [
      { words: say('', 'not'), acceptable: true },
      { words: say('not', ''), acceptable: false },
    ];
  }
  // `no` with singular nouns, `few` with plural ones.
  const negation = ['no', 'few'][kind];
  const did = pick(random, lexicon.TREATED);
  const say = (outer: string, inner: string) =>
    join(start, outer, who[kind], 'that', inner, other[kind], did, item[kind]);
  return [
    { words: say(negation, 'the'), acceptable: true },
    { words: say('the', negation), acceptable: false },
  ];
};

/** I know what the chef bought / *bought the lamp; I know that the chef bought the lamp / *bought: a question has a gap. */
const whGap: Phenomenon = (random) => {
  const knower = pick(random, lexicon.KNOWERS);
  const [who, whom] = pickTwo(random, lexicon.PEOPLE);
  const person = chance(random, 0.4);
  const object = `the ${(person ? whom : pick(random, lexicon.OBJECTS))[random.int(2)]}`;
  const did = pick(random, person ? lexicon.NEEDS_PERSON : lexicon.NEEDS_THING);
  const actor = `the ${who[random.int(2)]}`;
  const when = pick(random, lexicon.WHEN);
  return crossed([person ? 'who' : 'what', 'that'], ['', object], (link, filled) =>
    join(knower, link, actor, did, filled, when),
  );
};

/** The phenomena of the training and dev rows. */
export const PHENOMENA = {
  agreement: agreementAcrossPhrase,
  'determiner-noun': determinerNoun,
  reflexive,
  'negative-polarity': negativePolarity,
  'wh-gap': whGap,
} satisfies Record<string, Phenomenon>;

/** The phenomenon that only the test rows have: what was learned across phrases, asked for across clauses. */
export const HELD_OUT = { 'agreement-across-clause': agreementAcrossClause } satisfies Record<string, Phenomenon>;
