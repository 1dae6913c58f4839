import type { Ablation, GatedMetric } from '../delta/ablation';
import { metricValue, signedValue } from './value-text';

/** Group of an ablation as tables show it. */
export interface AblationRow {
  /** One word. */
  name: 'none' | 'tuned' | 'drawn' | 'last';
  /** Which heads are off. */
  off: string;
  metric: string;
  /** Difference to all heads on; empty for these. */
  difference: string;
}

/** Groups of an ablation, all heads on first. */
export function ablationRows({ allOn, tuned, drawn, last }: Ablation): AblationRow[] {
  const count = tuned.heads.length;
  const row = (name: AblationRow['name'], off: string, of: GatedMetric): AblationRow => {
    const { interval, value } = of;
    return { name, off, metric: metricValue({ value, interval }), difference: signedValue(of.difference) };
  };
  return [
    { name: 'none', off: 'none', metric: metricValue(allOn), difference: '' },
    row('tuned', `the ${count} tuned`, tuned),
    ...(drawn ? [row('drawn', `${count} others, mean of ${drawn.draws.length} draws`, drawn)] : []),
    ...(last ? [row('last', `the last ${count} others by PageRank`, last)] : []),
  ];
}

/** Answer to the question if the tuned heads carry the task. */
export function ablationInWords({ metric, drawn }: Ablation): string {
  if (!drawn) return 'A layer has fewer other heads than tuned ones, so none could be drawn to compare with.';
  const { value, interval } = drawn.tunedMinusDrawn;
  const sure = interval.high < 0 || interval.low > 0;
  if (!sure) {
    return (
      'On these rows the tuned heads carry neither more nor less of the task than other heads: ' +
      `${metric} without them minus that without as many others is ${signedValue({ value, interval })}.`
    );
  }
  const size = { value: Math.abs(value), interval: interval.high < 0 ? mirrored(interval) : interval };
  const [share, way] = value < 0 ? ['more', 'lower'] : ['less', 'higher'];
  return (
    `The tuned heads carry ${share} of the task than other heads: without them ${metric} is ` +
    `${metricValue(size)} ${way} than without as many others.`
  );
}

const mirrored = ({ low, high }: { low: number; high: number }) => ({ low: -high, high: -low });

/** Rows and settings of the intervals. */
export function ablationBasis({ rows, bootstrap: { unit, units, replicates, level } }: Ablation): string {
  const queries = unit === 'queries' ? ` of ${units} queries` : '';
  return `${rows} rows${queries}; ${100 * level} % intervals by ${replicates} bootstrap replicates of the ${unit}`;
}
