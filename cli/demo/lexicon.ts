/** Word or phrase in the singular and the plural. */
export type Numbered = readonly [singular: string, plural: string];

/** Parses nouns: `key box/boxes` → [['key', 'keys'], ['box', 'boxes']]. */
const nouns = (list: string): Numbered[] =>
  list
    .trim()
    .split(/\s+/)
    .map((entry) => entry.split('/'))
    .map(([one, many = `${one}s`]) => [one, many]);

const words = (list: string) => list.trim().split(/\s+/);

/** Parses entries of several words, separated by commas. */
const phrases = (list: string) => list.split(',').map((phrase) => phrase.trim());

const joined = (heads: readonly Numbered[], tails: readonly string[]): Numbered[] =>
  heads.flatMap(([one, many]) => tails.map((tail): Numbered => [`${one} ${tail}`, `${many} ${tail}`]));

/** Parses verb phrases: `works hard/work hard, …`. */
const verbs = (list: string): Numbered[] => phrases(list).map((pair) => pair.split('/') as [string, string]);

export const PEOPLE = nouns(`
  teacher doctor nurse lawyer student farmer singer actor artist baker banker barber captain cashier chef clerk
  coach/coaches dancer dentist driver editor engineer gardener guard hunter judge manager mayor minister painter pilot
  plumber poet reporter sailor scientist senator soldier surgeon tailor tourist waiter writer neighbor visitor guest
  player director librarian customer passenger officer carpenter detective architect butcher musician professor`);

export const OBJECTS = nouns(`
  key lamp book letter painting chair table box/boxes bottle cup plate knife/knives basket blanket bicycle camera clock
  coat computer guitar hammer jacket ladder machine map mirror picture pillow ring rope shirt sofa spoon statue suitcase
  sweater telephone toy umbrella vase violin wallet watch/watches magazine necklace drum candle carpet kettle bucket
  helmet trumpet`);

export const PLACES = nouns(`
  cabinet shelf/shelves desk garage kitchen office house barn garden bridge store museum station school church/churches
  hotel restaurant tower warehouse wall door tree bench/benches fence fountain gate window stage`);

export const MALE = nouns(`
  man/men boy king uncle brother father son prince husband grandfather nephew monk gentleman/gentlemen businessman/businessmen
  grandson stepfather duke policeman/policemen`);

export const FEMALE = nouns(`
  woman/women girl queen aunt sister mother daughter princess/princesses wife/wives grandmother niece nun lady/ladies
  businesswoman/businesswomen granddaughter stepmother duchess/duchesses actress/actresses`);

export const BESIDE = phrases('near, behind, beside, next to, in front of, across from, close to');
export const BESIDE_PEOPLE = phrases('near, behind, beside, next to, in front of, with');

const BE = verbs('is/are, was/were');
const SEEM = verbs('looks/look, seems/seem');
const HAVE = verbs('has/have');

/** Actions of people: intransitive participles after `has` or `have`. */
export const DONE = phrases(`
  complained, smiled, disappeared, returned, resigned, laughed, apologized, arrived, cried, objected, failed, helped,
  slept, danced, traveled, suffered, waited`);

/** Verb phrases of people whose first word shows the number. */
export const PEOPLE_DO: readonly Numbered[] = [
  ...joined(
    BE,
    words('tired happy angry ready hungry famous busy nervous friendly honest quiet proud sick bored polite'),
  ),
  ...joined(SEEM, words('tired happy angry worried nervous confident calm')),
  ...joined(HAVE, [...DONE.slice(0, 10), 'left already', 'gone home', 'won the prize', 'lost the game']),
  ...verbs(`
    works hard/work hard, sings well/sing well, speaks French/speak French, lives in Boston/live in Boston,
    drinks coffee/drink coffee, drives to work/drive to work, knows the answer/know the answer, likes music/like music,
    plays chess/play chess, enjoys the silence/enjoy the silence, needs help/need help, wants a break/want a break,
    laughs a lot/laugh a lot, travels often/travel often, sleeps badly/sleep badly, cooks every day/cook every day,
    writes poems/write poems, swims every morning/swim every morning, eats too fast/eat too fast`),
];

/** Verb phrases of things whose first word shows the number. */
export const OBJECTS_DO: readonly Numbered[] = [
  ...joined(BE, words('broken old expensive new heavy dirty clean beautiful small missing valuable cheap wet dusty')),
  ...joined(SEEM, words('old new expensive dirty fragile strange cheap')),
  ...joined(HAVE, phrases('vanished, been sold, been stolen, been moved, been painted, been cleaned, been repaired')),
  ...verbs(`
    costs a lot/cost a lot, belongs to us/belong to us, needs cleaning/need cleaning, smells strange/smell strange,
    weighs too much/weigh too much, matters to me/matter to me, comes from Italy/come from Italy`),
];

/** Determiners of a singular and of a plural noun. */
export const DETERMINERS = verbs('this/these, that/those, each/several, every/many, one/three, another/both');

export const SIZES = words('small large old new heavy strange beautiful expensive cheap broken dirty');
export const COLORS = words('red blue green black white yellow gray brown wooden');
export const MANNERS = words('tall young old clever famous friendly nervous quiet tired honest rich');

/** Past-tense verbs that take a thing and no clause, so that a following `that` is a determiner. */
export const HANDLED = words(`
  bought sold repaired cleaned carried borrowed moved stole lifted packed kept brought damaged used dropped`);

/** Past-tense verbs that take a person and no clause. */
export const TREATED = words(
  'thanked met invited hired blamed interviewed praised hugged greeted ignored visited called',
);

/** Past-tense verbs that need their object. */
export const NEEDS_THING = words(`
  bought found repaired carried borrowed brought fixed wanted needed damaged destroyed purchased used described took
  received discovered mentioned grabbed`);
export const NEEDS_PERSON = words(
  'thanked invited hired blamed interviewed praised greeted ignored admired criticized',
);

/** Past-tense verbs of a person with himself or herself. */
export const REFLEXIVE = words(`
  hurt blamed praised defended introduced described admired embarrassed injured dressed washed disguised criticized
  prepared protected photographed surprised exhausted`);

export const WHEN = phrases(`
  at the market, last week, in the garage, before the meeting, yesterday, after the game, during the party, in the morning,
  on Monday, at the station, two days ago, at the office`);

/** Adverbials for the perfect tense, without a past date. */
export const SO_FAR = phrases('so far, since Monday, about the party, in public, about the accident, to the press');

/** Openings before a sentence. */
export const OPENERS = phrases(`
  in my opinion, apparently, of course, to be honest, for some reason, in any case, by all accounts, as usual,
  in the end, luckily, sadly, as we all know`);

/** Main clauses that embed a sentence. */
export const CLAIMS = phrases(`
  I believe that, we were told that, everyone agrees that, it is clear that, she said that, he thinks that,
  they reported that, I am sure that`);

/** Main clauses that embed both a clause with `that` and a question. */
export const KNOWERS = phrases(`
  I know, we remember, she forgot, he discovered, they learned, everyone knows, I heard, she realized, we found out,
  he revealed, they understood, she remembered, he reported, I noticed, nobody knew, the police know`);
