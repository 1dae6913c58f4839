import { grouped } from '../report/sentences';
import { metricValue, secondsValue, signedValue } from '../report/value-text';
import type { RunCost } from './run-costs';
import { trainedAfter } from './run-costs';
import type { ComparisonResults } from './summary';
import { testedRows } from './tables';
import { type Sign, signOf, type Verdict } from './verdict';

/** Seeds from which on the page has no warning about their number. */
const MANY_SEEDS = 10;
/** Up to this number of seeds, a 95 % interval reaches from the least to the greatest value. */
const WHOLE_RANGE = 3;

/** Sentences on the best method and the certainty of that. */
export function bestInWords({ metric, seeds, bootstrap }: ComparisonResults, { best, leads }: Verdict): string {
  const first = `${best.contestant} has the highest test ${metric}, ${metricValue(best.score)}.`;
  if (leads.length === 0) return `${first} There is no other method to compare it with.`;
  if (seeds.length === 1) return `${first} One seed does not show how certain that is.`;
  const of = (sign: Sign) => leads.filter(({ lead }) => signOf(lead) === sign).map(({ method }) => method);
  const [sure, open, against] = [of('above'), of('open'), of('below')];
  const interval = `the ${100 * bootstrap.level} % interval of its lead, seed by seed,`;
  const sentences = [first];
  if (sure.length > 0) sentences.push(`Over ${listed(sure)} ${interval} is above 0.`);
  if (open.length > 0) sentences.push(`Its lead over ${listed(open)} is not certain: ${interval} contains 0.`);
  if (against.length > 0) sentences.push(`Seed by seed it is behind ${listed(against)}.`);
  return sentences.join(' ');
}

/** Sentence on the methods better and worse than the reference; null for one method or seed. */
export function referenceInWords({ standings, reference, seeds }: ComparisonResults): string | null {
  if (standings.length === 1 || seeds.length === 1) return null;
  const of = (sign: Sign) =>
    standings.flatMap(({ contestant, difference }) => (difference && signOf(difference) === sign ? [contestant] : []));
  const groups = (
    [
      ['better than', of('above')],
      ['worse than', of('below')],
      ['not distinguishable from', of('open')],
    ] as const
  ).flatMap(([how, who]) => (who.length > 0 ? [`${how} ${reference}: ${listed(who)}`] : []));
  const text = groups.join('; ');
  return `${text[0].toUpperCase()}${text.slice(1)}.`;
}

/** Warning about intervals over few seeds; null if none is needed. */
export function doubtInWords({ seeds, standings }: ComparisonResults): string | null {
  const count = seeds.length;
  if (count === 1 || standings.length === 1) return null;
  const all = 'Nothing here is corrected for the number of methods.';
  if (count >= MANY_SEEDS) return all;
  if (count > WHOLE_RANGE) return `Intervals over ${count} seeds are too narrow. ${all}`;
  return (
    `With ${count} seeds such an interval reaches from the least difference to the greatest, so it excludes 0 as soon as all ${count} have the same sign. ` +
    `For two equal methods this happens by chance in 1 of ${2 ** (count - 1)} comparisons. ${all}`
  );
}

/** Sentence on the cost of the best method, and of the fastest that it does not clearly beat. */
export function costInWords({ seeds }: ComparisonResults, { best, leads }: Verdict, costs: readonly RunCost[]): string {
  const of = (name: string) => costs.find(({ method }) => method === name)!;
  const own = of(best.contestant);
  const memory =
    own.peakRssBytes === null ? '' : `, ${Math.round(own.peakRssBytes / 1e6).toLocaleString('en-US')} MB at most`;
  const first = `A run of ${best.contestant} takes ${secondsValue(trainedAfter(own))} before its test${memory}.`;
  const alike = leads.filter(({ lead }) => signOf(lead) === 'open').map(({ method }) => of(method));
  if (alike.length === 0 || seeds.length === 1) return first;
  const fastest = alike.reduce((a, b) => (trainedAfter(b) < trainedAfter(a) ? b : a));
  if (trainedAfter(fastest) >= trainedAfter(own))
    return `${first} Of the methods that it does not clearly beat, none is faster.`;
  return `${first} Of the methods that it does not clearly beat, ${fastest.method} is the fastest, with ${secondsValue(trainedAfter(fastest))}.`;
}

/** Headline figures of the page: name, value and explanation. */
export function answersOf(
  { metric, rows, seeds, settings, standings, reference }: ComparisonResults,
  { best, leads }: Verdict,
  costs: readonly RunCost[],
): [what: string, value: string, more: string][] {
  const { score, difference, trainableParameters, taskHeadParameters } = best;
  const beaten = leads.filter(({ lead }) => signOf(lead) === 'above').length;
  const cost = costs.find(({ method }) => method === best.contestant)!;
  const answers: [string, string, string][] = [
    ['best', best.contestant, `test ${metric} ${metricValue(score)}`],
    [
      'ahead of',
      `${beaten} of ${leads.length}`,
      seeds.length === 1 ? 'one seed: not certain' : 'by the whole interval of its lead',
    ],
  ];
  if (difference)
    answers.push([
      `ahead of ${reference} by`,
      signedValue({ ...difference, interval: null }),
      intervalOnly(signedValue(difference)),
    ]);
  answers.push(
    [
      'a run takes',
      secondsValue(trainedAfter(cost)),
      `${cost.peakRssBytes === null ? 'memory not measured' : `${Math.round(cost.peakRssBytes / 1e6)} MB at most`}`,
    ],
    [
      'trainable parameters',
      grouped(trainableParameters + taskHeadParameters),
      `${grouped(taskHeadParameters)} of them in the task head`,
    ],
    [
      'compared',
      `${standings.length}, ${seeds.length} seed${seeds.length === 1 ? '' : 's'}`,
      `${grouped(rows.train)} rows to train, ${testedRows(rows)} to test, ${settings.training.epochs} epochs`,
    ],
  );
  return answers;
}

const intervalOnly = (text: string) => /\((.*)\)/.exec(text)?.[1] ?? 'one seed: no interval';

const listed = (names: readonly string[]) =>
  names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
