import { scatterChart } from '../report/draw/scatter';
import { svgFile } from '../report/draw/theme';
import type { ComparisonResults } from './summary';

/** Test metric over trained numbers (powers of ten), with intervals, as a self-contained SVG. The reference is orange. */
export function comparisonSvg({ standings, metric, reference, seeds }: ComparisonResults): string {
  return svgFile(
    scatterChart({
      title: `Test ${metric} over trained numbers of ${standings.length} contestants, ${seeds.length} seeds`,
      x: 'trained numbers, task head included',
      y: `test ${metric}`,
      points: standings.map(({ contestant, score, trainableParameters, taskHeadParameters }) => ({
        name: contestant,
        x: trainableParameters + taskHeadParameters,
        y: score.value,
        interval: score.interval && [score.interval.low, score.interval.high],
        marked: contestant === reference,
      })),
    }),
  );
}
