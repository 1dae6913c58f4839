import type { Contestant } from './contestants';
import { bootstrapInterval, differences, interquartileMean, type Strata } from './statistics';
import { bootstrap, type ComparisonResults, type Estimate, type Standing } from './summary';

/** Whether a difference is above 0, below it, or cannot be told from it: by its whole interval. */
export type Sign = 'above' | 'below' | 'open';

export const signOf = ({ interval }: Estimate): Sign =>
  interval === null || (interval.low <= 0 && interval.high >= 0) ? 'open' : interval.low > 0 ? 'above' : 'below';

/** The contestant of the highest score, and how far each of the others lies behind it, seed by seed. */
export interface Verdict {
  best: Standing;
  /** In the order of the standings. */
  leads: { contestant: Contestant; lead: Estimate }[];
}

/** Who is best, and how sure that is: the interquartile mean of the differences to each of the others, with its interval. */
export function verdictOf({ standings }: ComparisonResults): Verdict {
  const [best, ...others] = standings;
  const leads = others.map(({ contestant, values }) => {
    const sides: Strata[] = [[best.values], [values]];
    const statistic = (x: Strata, y: Strata) => interquartileMean(differences(x, y).flat());
    const interval = bootstrapInterval(sides, (x, y) => statistic(x, y), bootstrap()) ?? null;
    return { contestant, lead: { value: statistic(sides[0], sides[1]), interval } };
  });
  return { best, leads };
}
