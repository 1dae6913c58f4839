import { grouped } from '../report/words';
import type { RunCost } from './run-costs';
import { trainedAfter } from './run-costs';
import type { ComparisonResults } from './summary';
import { testedRows } from './tables';
import { metricValue, secondsValue, signedValue } from './values';
import { type Sign, signOf, type Verdict } from './verdict';

/** Seeds from which on nothing is said of how few they are. */
const MANY_SEEDS = 10;
/** Up to so many seeds a 95 % interval reaches from the least to the greatest value. */
const WHOLE_RANGE = 3;

/** Who is best and how sure that is, a sentence or two. */
export function bestInWords({ metric, seeds, bootstrap }: ComparisonResults, { best, leads }: Verdict): string {
  const said = `${best.contestant} has the highest test ${metric}, ${metricValue(best.score)}.`;
  if (leads.length === 0) return `${said} Nobody else has a standing to compare it with.`;
  if (seeds.length === 1) return `${said} With one seed nothing can be said of how sure that is.`;
  const of = (sign: Sign) => leads.filter(({ lead }) => signOf(lead) === sign).map(({ contestant }) => contestant);
  const [sure, open, against] = [of('above'), of('open'), of('below')];
  const interval = `the ${100 * bootstrap.level} % interval of its lead, seed by seed,`;
  const sentences = [said];
  if (sure.length > 0) sentences.push(`Over ${listed(sure)} ${interval} lies above 0.`);
  if (open.length > 0) sentences.push(`It cannot be told from ${listed(open)}: ${interval} has 0 in it.`);
  if (against.length > 0) sentences.push(`Seed by seed it is behind ${listed(against)}.`);
  return sentences.join(' ');
}

/** Who is better than the reference, and who worse; null of one contestant or seed. */
export function referenceInWords({ standings, reference, seeds }: ComparisonResults): string | null {
  if (standings.length === 1 || seeds.length === 1) return null;
  const of = (sign: Sign) =>
    standings.flatMap(({ contestant, difference }) => (difference && signOf(difference) === sign ? [contestant] : []));
  const told = (
    [
      ['better than', of('above')],
      ['worse than', of('below')],
      ['not to be told from', of('open')],
    ] as const
  ).flatMap(([how, who]) => (who.length > 0 ? [`${how} ${reference}: ${listed(who)}`] : []));
  const text = told.join('; ');
  return `${text[0].toUpperCase()}${text.slice(1)}.`;
}

/** How far intervals over so few seeds go; null where nothing is to be said. */
export function doubtInWords({ seeds, standings }: ComparisonResults): string | null {
  const count = seeds.length;
  if (count === 1 || standings.length === 1) return null;
  const all = 'None of this is corrected for how many are compared.';
  if (count >= MANY_SEEDS) return all;
  if (count > WHOLE_RANGE) return `Intervals over ${count} seeds are too narrow. ${all}`;
  return (
    `With ${count} seeds such an interval reaches from the least difference to the greatest, so it leaves 0 out as soon as all ${count} have one sign: ` +
    `of two that are alike this happens by chance in 1 of ${2 ** (count - 1)} comparisons. ${all}`
  );
}

/** What the best costs, and the cheapest of those that it cannot be told from. */
export function costInWords({ seeds }: ComparisonResults, { best, leads }: Verdict, costs: readonly RunCost[]): string {
  const of = (name: string) => costs.find(({ contestant }) => contestant === name)!;
  const own = of(best.contestant);
  const memory =
    own.peakRssBytes === null ? '' : `, ${Math.round(own.peakRssBytes / 1e6).toLocaleString('en-US')} MB at most`;
  const said = `A run of ${best.contestant} takes ${secondsValue(trainedAfter(own))} until it can be tested${memory}.`;
  const alike = leads.filter(({ lead }) => signOf(lead) === 'open').map(({ contestant }) => of(contestant));
  if (alike.length === 0 || seeds.length === 1) return said;
  const cheapest = alike.reduce((a, b) => (trainedAfter(b) < trainedAfter(a) ? b : a));
  if (trainedAfter(cheapest) >= trainedAfter(own))
    return `${said} Of those that it cannot be told from none is faster.`;
  return `${said} The fastest of those that it cannot be told from is ${cheapest.contestant}, with ${secondsValue(trainedAfter(cheapest))}.`;
}

/** The first questions of a reader: what, its number, and what is behind it. */
export function answersOf(
  { metric, rows, seeds, settings, standings, reference }: ComparisonResults,
  { best, leads }: Verdict,
  costs: readonly RunCost[],
): [what: string, value: string, more: string][] {
  const { score, difference, trainableParameters, taskHeadParameters } = best;
  const beaten = leads.filter(({ lead }) => signOf(lead) === 'above').length;
  const cost = costs.find(({ contestant }) => contestant === best.contestant)!;
  const told: [string, string, string][] = [
    ['best', best.contestant, `test ${metric} ${metricValue(score)}`],
    [
      'ahead of',
      `${beaten} of ${leads.length}`,
      seeds.length === 1 ? 'one seed: nothing is sure' : 'by the whole interval of its lead',
    ],
  ];
  if (difference)
    told.push([
      `ahead of ${reference} by`,
      signedValue({ ...difference, interval: null }),
      intervalOnly(signedValue(difference)),
    ]);
  told.push(
    [
      'a run takes',
      secondsValue(trainedAfter(cost)),
      `${cost.peakRssBytes === null ? 'memory not measured' : `${Math.round(cost.peakRssBytes / 1e6)} MB at most`}`,
    ],
    [
      'trained numbers',
      grouped(trainableParameters + taskHeadParameters),
      `${grouped(taskHeadParameters)} of them the task head's`,
    ],
    [
      'compared',
      `${standings.length}, ${seeds.length} seed${seeds.length === 1 ? '' : 's'}`,
      `${grouped(rows.train)} rows to train, ${testedRows(rows)} to test, ${settings.training.epochs} epochs`,
    ],
  );
  return told;
}

const intervalOnly = (text: string) => /\((.*)\)/.exec(text)?.[1] ?? 'one seed: no interval';

const listed = (names: readonly string[]) =>
  names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
