import { failed } from '../foundation/errors';
import { secondsValue } from '../report/value-text';
import type { BudgetOutcome, Candidate, JudgedCandidate, UnaffordableCandidate } from './budget';
import type { Method } from './methods';
import type { RunKey } from './run-record';
import type { RunsOutcome } from './within-budget';

/**
 * Reference of the results of a budget: its own, or the first method if there was no time for it.
 *
 * @throws HifiError FAILED if no run was tested
 */
export function reachedReference({ records, failed: lost }: RunsOutcome, { minutes, reference, rungs }: BudgetOutcome) {
  if ([...records, ...lost].some(({ contestant }) => contestant === reference)) return reference;
  const [first] = records;
  if (first) return first.contestant;
  const short = rungs.reduce((sum, { kept, dropped, noTime }) => {
    const trained = noTime.filter(({ dev }) => dev !== undefined);
    return sum + kept.length + dropped.length + trained.length;
  }, 0);
  throw failed(
    `--minutes ${minutes} is over before any method has trained with all epochs and is tested: ${short} shorter runs are kept; run the same command again to continue, or give more --minutes`,
  );
}

/** Notes on what a budget left out, one sentence each. */
export function budgetNotes(
  { minutes, reference: asked, rungs, notReached }: BudgetOutcome,
  reference: Method,
): string[] {
  const halved = rungs.map(({ epochs, kept, dropped, noTime, notReached: left }) =>
    [
      `rung of ${epochs} epoch${epochs === 1 ? '' : 's'}: kept ${withRates(kept)}`,
      `dropped ${withRates(dropped)}`,
      ...(noTime.length > 0 ? [`no time for the whole run: ${withRates(noTime)}`] : []),
      ...(left.length > 0 ? [`not reached: ${withRates(left)}`] : []),
    ].join('; '),
  );
  return [
    `${minutes} minutes, by successive halving: rungs of fewer epochs train each method at each learning rate on the first seed and keep the better half by the dev rows, and the best of ${asked}, the reference`,
    ...halved,
    ...(notReached.length > 0 ? [`not reached with all epochs: ${withSeeds(notReached)}`] : []),
    ...(reference === asked ? [] : [`no time was left for ${asked}: the reference is ${reference}`]),
  ];
}

/** Methods that a budget was spent on, in the order of their first mention. */
export const budgetMethods = ({ rungs, notReached }: BudgetOutcome): Method[] => [
  ...new Set(
    [
      ...rungs.flatMap(({ kept, dropped, noTime, notReached: left }) => [...kept, ...dropped, ...noTime, ...left]),
      ...notReached,
    ].map(({ contestant }) => contestant),
  ),
];

/** Candidate of a rung. */
type Listed = Candidate | JudgedCandidate | UnaffordableCandidate;

const withRates = (candidates: readonly Listed[]) =>
  candidates.length === 0 ? 'none' : grouped(candidates, ({ contestant }) => contestant, candidateText);

function candidateText(candidate: Listed): string {
  const facts: string[] = [];
  if ('dev' in candidate) facts.push(candidate.dev === null ? 'failed' : `dev ${candidate.dev!.toFixed(4)}`);
  if ('seconds' in candidate) facts.push(`about ${secondsValue(candidate.seconds)}`);
  return facts.length > 0 ? `${candidate.lr} (${facts.join(', ')})` : String(candidate.lr);
}

const withSeeds = (runs: readonly RunKey[]) =>
  grouped(
    runs,
    ({ contestant, lr }) => (lr === null ? contestant : `${contestant} at ${lr}`),
    ({ seed }) => `seed ${seed}`,
  );

/** Texts by name: `a x, y; b z`. */
function grouped<Each>(all: readonly Each[], nameOf: (each: Each) => string, textOf: (each: Each) => string): string {
  const names = [...new Set(all.map(nameOf))];
  return names
    .map(
      (name) =>
        `${name} ${all
          .filter((each) => nameOf(each) === name)
          .map(textOf)
          .join(', ')}`,
    )
    .join('; ');
}
