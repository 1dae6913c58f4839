import type { RandomStream } from '../../data/random';
import type { Numbered } from './lexicon';
import * as lexicon from './lexicon';

/** Sentence without its capital and full stop. */
export interface Clause {
  words: string;
  acceptable: boolean;
}

/**
 * Two or four clauses of nearly the same words, half of them acceptable. In a group each word form
 * occurs equally often in acceptable and unacceptable clauses. So word counts cannot distinguish
 * them.
 */
export type Group = Clause[];

/** Function that draws a group. */
export type Phenomenon = (random: RandomStream) => Group;

const pick = <T>(random: RandomStream, from: readonly T[]): T => from[random.int(from.length)];
const chance = (random: RandomStream, p: number) => random.uniform() < p;

/** Draws distinct entries. */
const pickSome = <T>(random: RandomStream, from: readonly T[], count: number): T[] =>
  Array.from(random.sample(from.length, count), (at) => from[at]);

const pickTwo = <T>(random: RandomStream, from: readonly T[]) => pickSome(random, from, 2) as [T, T];

const join = (...parts: string[]) => parts.filter((part) => part !== '').join(' ');

/**
 * Probability of the more frequent of two orders. If both had one half, the label would be the
 * parity of two features, each uninformative alone, which is learned late or never. The imbalance
 * gives the first feature a gradient.
 */
const LEAN = 0.75;

const opener = (random: RandomStream) => (chance(random, 0.3) ? `${pick(random, lexicon.OPENERS)},` : '');

/**
 * Builds a group from two nouns, of which the first decides the number of what follows. It has all
 * four orders and numbers in which the nouns differ, so every form is as often first as second.
 */
const numberGroup = (
  [a, b]: readonly [Numbered, Numbered],
  number: number,
  say: (first: string, second: string) => string,
): Group =>
  [
    [a, b],
    [b, a],
  ].flatMap(([first, second]) => [
    { words: say(first[number], second[1 - number]), acceptable: true },
    { words: say(first[1 - number], second[number]), acceptable: false },
  ]);

/** Draws two people or two things, and their predicate, mostly in the plural. */
function subjects(random: RandomStream) {
  const person = chance(random, 0.5);
  return {
    person,
    nouns: pickTwo(random, person ? lexicon.PEOPLE : lexicon.OBJECTS),
    predicate: pick(random, person ? lexicon.PEOPLE_DO : lexicon.OBJECTS_DO),
    number: chance(random, LEAN) ? 1 : 0,
  };
}

/**
 * Subject-verb agreement across a phrase: the verb agrees with the head, not with the nearest noun.
 * The keys near the lamp are old / *The key near the lamps are old.
 */
const agreementAcrossPhrase: Phenomenon = (random) => {
  const start = opener(random);
  const { person, nouns, predicate, number } = subjects(random);
  const near = pick(random, person ? lexicon.BESIDE_PEOPLE : lexicon.BESIDE);
  const further = chance(random, 0.25) ? `${pick(random, lexicon.BESIDE)} the ${pick(random, lexicon.PLACES)[0]}` : '';
  return numberGroup(nouns, number, (head, other) =>
    join(start, 'the', head, near, 'the', other, further, predicate[number]),
  );
};

/**
 * Subject-verb agreement across a relative clause.
 * The poets that the guard met are old / *The poet that the guards met are old.
 */
const agreementAcrossClause: Phenomenon = (random) => {
  const start = opener(random);
  const nouns = pickTwo(random, lexicon.PEOPLE);
  const predicate = pick(random, lexicon.PEOPLE_DO);
  const number = chance(random, LEAN) ? 1 : 0;
  const did = pick(random, lexicon.TREATED);
  const clause = chance(random, 0.5)
    ? (other: string) => `who ${did} the ${other}`
    : (other: string) => `that the ${other} ${did}`;
  return numberGroup(nouns, number, (head, other) => join(start, 'the', head, clause(other), predicate[number]));
};

/**
 * Determiner-noun agreement: each determiner agrees with its noun.
 * This poet bought these old lamps / *These poet bought this old lamps.
 */
const determinerNoun: Phenomenon = (random) => {
  const start = opener(random);
  const determiner = pick(random, lexicon.DETERMINERS);
  const many = chance(random, LEAN) ? 1 : 0;
  const person = chance(random, 0.3);
  const [actor, other] = pickTwo(random, lexicon.PEOPLE);
  const named = person ? other : pick(random, lexicon.OBJECTS);
  const size = pick(random, person ? lexicon.MANNERS : lexicon.SIZES);
  const adjectives = join(size, !person && chance(random, 0.5) ? pick(random, lexicon.COLORS) : '');
  const manner = chance(random, 0.5) ? pick(random, lexicon.MANNERS) : '';
  const did = pick(random, person ? lexicon.TREATED : lexicon.HANDLED);
  const when = chance(random, 0.7) ? pick(random, lexicon.WHEN) : '';
  const say = (one: string, two: string) =>
    join(start, one, manner, actor[many], did, two, adjectives, named[1 - many], when);
  return [
    { words: say(determiner[many], determiner[1 - many]), acceptable: true },
    { words: say(determiner[1 - many], determiner[many]), acceptable: false },
  ];
};

/**
 * Reflexive agreement: a reflexive pronoun agrees with the subject.
 * The kings near the boy hurt themselves / *The king near the boys hurt themselves.
 */
const reflexive: Phenomenon = (random) => {
  const start = opener(random);
  const did = pick(random, lexicon.REFLEXIVE);
  const when = chance(random, 0.6) ? pick(random, lexicon.WHEN) : '';
  const near = pick(random, lexicon.BESIDE_PEOPLE);
  const number = chance(random, LEAN) ? 1 : 0;
  const male = chance(random, 0.5);
  const self = number === 1 ? 'themselves' : male ? 'himself' : 'herself';
  return numberGroup(pickTwo(random, male ? lexicon.MALE : lexicon.FEMALE), number, (who, other) =>
    join(start, 'the', who, near, 'the', other, did, self, when),
  );
};

/**
 * Draws a phrase that needs a negation above it, in the singular and the plural: `has ever
 * complained`.
 */
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

/**
 * Negative polarity: the negation must be above the item.
 * No guest that the chef met has ever smiled / *The guest that no chef met has ever smiled.
 */
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

/**
 * Wh-gap: an embedded question has a gap, an embedded statement has none.
 * I know what the chef bought and that the poet stole the lamp / *I know that the chef bought and
 * what the poet stole the lamp.
 */
const whGap: Phenomenon = (random) => {
  const knower = pick(random, lexicon.KNOWERS);
  const [who, other, whom] = pickSome(random, lexicon.PEOPLE, 3);
  const person = chance(random, 0.4);
  const [gapped, whole] = pickTwo(random, person ? lexicon.NEEDS_PERSON : lexicon.NEEDS_THING);
  const [actor, second, object] = [who, other, person ? whom : pick(random, lexicon.OBJECTS)].map(
    (noun) => `the ${noun[random.int(2)]}`,
  );
  const withGap = join(actor, gapped, pick(random, lexicon.WHEN));
  const without = join(second, whole, object, chance(random, 0.5) ? pick(random, lexicon.WHEN) : '');
  const clauses = chance(random, LEAN) ? [withGap, without] : [without, withGap];
  const asks = person ? 'who' : 'what';
  const right = clauses.map((clause) => (clause === withGap ? asks : 'that'));
  const wrong = [right[1], right[0]];
  const say = ([first, then]: string[]) => join(knower, first, clauses[0], 'and', then, clauses[1]);
  return [
    { words: say(right), acceptable: true },
    { words: say(wrong), acceptable: false },
  ];
};

/** The phenomena of the training and dev rows. */
export const PHENOMENA = {
  agreement: agreementAcrossPhrase,
  'determiner-noun': determinerNoun,
  reflexive,
  'negative-polarity': negativePolarity,
  'wh-gap': whGap,
} satisfies Record<string, Phenomenon>;

/**
 * Phenomenon of the test rows alone: agreement is learned across phrases and tested across clauses.
 */
export const HELD_OUT = { 'agreement-across-clause': agreementAcrossClause } satisfies Record<string, Phenomenon>;
