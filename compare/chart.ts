import { draw, FONT, INK, named } from '../report/charts';
import type { ComparisonResults, Standing } from './summary';

/** Read on light and on dark paper alike: at least 3 : 1 against white and against #0f1418. */
const BLUE = '#3a87c8';
const ORANGE = '#d9661f';

const SIZE = { width: 760, height: 440 };
const MARGIN = { left: 64, right: 150, top: 24, bottom: 48 };
/** Contestants that train alike many numbers stand beside one another, so many pixels apart. */
const APART = 11;
/** From a point to its name, in pixels. */
const TO_NAME = 12;

/**
 * Test metric over trained numbers (log scale), with intervals, as a self-contained SVG. The reference is orange. Those that train
 * the most numbers, most of the contestants as a rule, have their names in a column on the right.
 */
export function comparisonSvg({ standings, metric, reference, seeds }: ComparisonResults): string {
  const sizes = standings.map(trained);
  const most = Math.max(...sizes);
  const crowd = sizes.filter((size) => size === most).length;
  const axis = { min: Math.min(...sizes) / 4, max: most * 1.1 };
  const plot = SIZE.width - MARGIN.left - MARGIN.right - APART * (crowd - 1);
  const pixelsOf = (size: number) => (Math.log(size / axis.min) / Math.log(axis.max / axis.min)) * plot;
  const numberAt = (pixels: number) => axis.min * (axis.max / axis.min) ** (pixels / plot);
  const before = new Map<number, number>();
  const points = standings.map((standing, i) => {
    const at = before.get(sizes[i]) ?? 0;
    before.set(sizes[i], at + 1);
    const colour = standing.contestant === reference ? ORANGE : BLUE;
    return { standing, colour, x: numberAt(pixelsOf(sizes[i]) + at * APART), last: sizes[i] === most };
  });
  const text = { color: INK, fontFamily: FONT, fontSize: 11 };
  const grid = { splitLine: { lineStyle: { color: INK, opacity: 0.12 } }, axisTick: { show: false } };
  const svg = draw(SIZE.width, SIZE.height, {
    grid: MARGIN,
    xAxis: {
      type: 'log',
      min: axis.min,
      max: numberAt(SIZE.width - MARGIN.left - MARGIN.right),
      axisLabel: { ...text, showMinLabel: false, showMaxLabel: false, formatter: (value: number) => grouped(value) },
      axisLine: { lineStyle: { color: INK, opacity: 0.25 } },
      ...grid,
      name: 'trained numbers, task head included',
      nameLocation: 'middle',
      nameGap: 28,
      nameTextStyle: text,
    },
    yAxis: {
      type: 'value',
      scale: true,
      axisLabel: { ...text, formatter: (value: number) => String(Number(value.toPrecision(3))) },
      axisLine: { show: false },
      ...grid,
      name: `test ${metric}`,
      nameLocation: 'middle',
      nameGap: 46,
      nameTextStyle: text,
    },
    series: [
      ...points.flatMap(({ standing, colour, x }) => {
        const { interval } = standing.score;
        if (!interval) return [];
        return [
          {
            type: 'line' as const,
            silent: true,
            symbol: 'none',
            lineStyle: { color: colour, width: 2, opacity: 0.7 },
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
        data: points.map(({ standing, colour, x, last }) => ({
          value: [x, standing.score.value],
          name: standing.contestant,
          itemStyle: { color: colour, opacity: 1 },
          label: { position: last ? ('right' as const) : ('left' as const) },
        })),
        label: { show: true, formatter: '{b}', ...text },
        labelLine: { show: crowd > 1, lineStyle: { color: INK, opacity: 0.35 } },
        labelLayout: ({ dataIndex }: { dataIndex?: number }) =>
          points[dataIndex ?? 0].last && crowd > 1
            ? { x: SIZE.width - MARGIN.right + TO_NAME, moveOverlap: 'shiftY' as const }
            : {},
      },
    ],
  });
  return named(svg, `Test ${metric} over trained numbers: ${standings.length} contestants, ${seeds.length} seeds`);
}

/** Numbers that a contestant trains, of the base and of the task head. */
const trained = ({ trainableParameters, taskHeadParameters }: Standing) => trainableParameters + taskHeadParameters;

const grouped = (value: number) => value.toLocaleString('en-US');
