import type { Method } from './methods';
import { bootstrapInterval, differences, interquartileMean, type Strata } from './statistics';
import { bootstrap, type ComparisonResults, type Estimate, type Standing, sameSeeds } from './summary';

/** Sign of a difference by its whole interval; `open` if the interval contains 0. */
export type Sign = 'above' | 'below' | 'open';

export const signOf = ({ interval }: Estimate): Sign =>
  interval === null || (interval.low <= 0 && interval.high >= 0) ? 'open' : interval.low > 0 ? 'above' : 'below';

/** Method with the highest score, and its lead over each of the others, seed by seed. */
export interface Verdict {
  best: Standing;
  /** In the order of the standings. */
  leads: { method: Method; lead: Estimate }[];
}

/** Verdict on a comparison; a lead is the interquartile mean of the differences. */
export function verdictOf({ standings }: ComparisonResults): Verdict {
  const [best, ...others] = standings;
  const leads = others.map(({ contestant, values }) => {
    const sides = sameSeeds([best.values], [values]);
    const statistic = (x: Strata, y: Strata) => interquartileMean(differences(x, y).flat());
    const interval = bootstrapInterval(sides, (x, y) => statistic(x, y), bootstrap()) ?? null;
    return { method: contestant, lead: { value: statistic(sides[0], sides[1]), interval } };
  });
  return { best, leads };
}
