import { draw, FONT, INK, named } from '../report/charts';
import type { ComparisonResults, Standing } from './summary';

/** Read on light and on dark paper alike: at least 3 : 1 against white and against #0f1418. */
const BLUE = '#3a87c8';
const ORANGE = '#d9661f';

/** Contestants that train alike many numbers stand beside one another, so many times further right each. */
const APART = 1.12;

/** Test metric over trained numbers (log scale), with intervals, as a self-contained SVG. The reference is orange. */
export function comparisonSvg({ standings, metric, reference, seeds }: ComparisonResults): string {
  const points = placed(standings);
  const label = { color: INK, fontFamily: FONT, fontSize: 11 };
  const quiet = { lineStyle: { color: INK, opacity: 0.25 } };
  const grid = { splitLine: { lineStyle: { color: INK, opacity: 0.12 } } };
  const number = (value: number) => String(Number(value.toPrecision(3)));
  const colour = (standing: Standing) => (standing.contestant === reference ? ORANGE : BLUE);
  const right = Math.max(...points.map(({ x }) => x));
  const left = Math.min(...points.map(({ x }) => x));
  const svg = draw(760, 420, {
    grid: { left: 64, right: 24, top: 24, bottom: 48 },
    xAxis: {
      type: 'log',
      min: left / 2,
      max: right * 3,
      axisLabel: { ...label, formatter: (value: number) => value.toLocaleString('en-US') },
      axisLine: quiet,
      ...grid,
      name: 'trained numbers, task head included',
      nameLocation: 'middle',
      nameGap: 28,
      nameTextStyle: label,
    },
    yAxis: {
      type: 'value',
      scale: true,
      axisLabel: { ...label, formatter: number },
      ...grid,
      name: `test ${metric}`,
      nameLocation: 'middle',
      nameGap: 46,
      nameTextStyle: label,
    },
    series: [
      ...points.flatMap(({ standing, x }) => {
        const { interval } = standing.score;
        if (!interval) return [];
        return [
          {
            type: 'line' as const,
            silent: true,
            symbol: 'none',
            lineStyle: { color: colour(standing), width: 1.5, opacity: 0.6 },
            data: [
              [x, interval.low],
              [x, interval.high],
            ],
          },
        ];
      }),
      {
        type: 'scatter' as const,
        silent: true,
        symbolSize: 9,
        data: points.map(({ standing, x }) => ({
          value: [x, standing.score.value],
          name: standing.contestant,
          itemStyle: { color: colour(standing) },
        })),
        label: { show: true, position: 'right', formatter: '{b}', ...label },
        labelLayout: { moveOverlap: 'shiftY' as const },
      },
    ],
  });
  return named(svg, `Test ${metric} over trained numbers of ${standings.length} contestants, ${seeds.length} seeds`);
}

/** Where each contestant stands on the axis of trained numbers. */
function placed(standings: readonly Standing[]): { standing: Standing; x: number }[] {
  const before = new Map<number, number>();
  return standings.map((standing) => {
    const trained = standing.trainableParameters + standing.taskHeadParameters;
    const at = before.get(trained) ?? 0;
    before.set(trained, at + 1);
    return { standing, x: trained * APART ** at };
  });
}
