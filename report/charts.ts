import type { EChartsOption } from 'echarts';

/** Ink of texts and lines: replaced by `currentColor`, so that a chart follows the page's light or dark theme. */
export const INK = '#010203';
/** Blues from light to dark (ColorBrewer's "Blues", 9 classes): read in print and with every kind of colour vision. */
const BLUES = ['#f7fbff', '#deebf7', '#c6dbef', '#9ecae1', '#6baed6', '#4292c6', '#2171b5', '#08519c', '#08306b'];
/** From this one on white text is the more readable. */
const FIRST_DARK = 6;
/** Outline of a chosen head: told apart from the blues by hue and by its width. */
const CHOSEN = '#e6550d';
export const FONT = 'system-ui, sans-serif';
/** From this number of heads in a row a cell is too narrow for its value; the tooltip has it still. */
const MOST_LABELLED = 16;

/** A number a head, to be drawn as a map of layers and heads. */
export interface HeadMap {
  title: string;
  /** [L][H]. */
  values: readonly (readonly number[])[];
  /** A cell's value as text. */
  text: (value: number) => string;
  /** A cell's tooltip. */
  tip: (layer: number, head: number) => string;
  /** Heads to be outlined. */
  chosen: readonly { layer: number; head: number }[];
}

/** A map of layers (downwards) and heads as a self-contained SVG. */
export function headMapSvg({ title, values, text, tip, chosen }: HeadMap): string {
  const layers = values.length;
  const heads = values[0].length;
  const cell = { width: Math.max(20, Math.min(60, Math.floor(860 / heads))), height: 26 };
  const margin = { left: 60, right: 16, top: 56, bottom: 8 };
  const flat = values.flat();
  const least = Math.min(...flat);
  const span = Math.max(...flat) - least;
  const isChosen = new Set(chosen.map(({ layer, head }) => layer * heads + head));
  const shade = (value: number) => (span > 0 ? (value - least) / span : 0);
  const names = (count: number) => Array.from({ length: count }, (_, i) => String(i));
  const axis = { axisLine: { show: false }, axisTick: { show: false }, splitLine: { show: false } };
  const label = { color: INK, fontFamily: FONT, fontSize: 11, interval: 0 };
  const svg = draw(margin.left + heads * cell.width + margin.right, margin.top + layers * cell.height + margin.bottom, {
    grid: { left: margin.left, top: margin.top, width: heads * cell.width, height: layers * cell.height },
    xAxis: {
      ...axis,
      type: 'category',
      position: 'top',
      data: names(heads),
      axisLabel: { ...label, interval: heads > 40 ? 7 : 0 },
      name: 'head',
      nameLocation: 'middle',
      nameGap: 24,
      nameTextStyle: label,
    },
    yAxis: {
      ...axis,
      type: 'category',
      inverse: true,
      data: names(layers),
      axisLabel: label,
      name: 'layer',
      nameLocation: 'middle',
      nameGap: 34,
      nameTextStyle: label,
    },
    series: [
      {
        type: 'custom',
        silent: true,
        data: flat.map((value, node) => [node % heads, Math.floor(node / heads), value]),
        renderItem: (_, api) => {
          const node = (api.value(1) as number) * heads + (api.value(0) as number);
          const value = flat[node];
          const [x, y] = api.coord([api.value(0), api.value(1)]);
          const outlined = isChosen.has(node);
          const inset = outlined ? 2.5 : 1;
          const blue = Math.round(shade(value) * (BLUES.length - 1));
          return {
            type: 'rect',
            shape: {
              x: x - cell.width / 2 + inset,
              y: y - cell.height / 2 + inset,
              width: cell.width - 2 * inset,
              height: cell.height - 2 * inset,
            },
            style: { fill: BLUES[blue], ...(outlined && { stroke: CHOSEN, lineWidth: 3 }) },
            ...(heads <= MOST_LABELLED && {
              textContent: {
                type: 'text' as const,
                style: {
                  text: text(value),
                  fill: blue >= FIRST_DARK ? '#ffffff' : '#101820',
                  font: `${outlined ? '600 ' : ''}11px ${FONT}`,
                },
              },
              textConfig: { position: 'inside' },
            }),
          };
        },
      },
    ],
  });
  return named(
    svg.replace(
      /<path ([^>]*?)ecmeta_series_index="0" ecmeta_data_index="(\d+)"([^>]*)><\/path>/g,
      (_, before, node, after) => {
        const at = Number(node);
        return `<path ${before}${after}><title>${escapeXml(tip(Math.floor(at / heads), at % heads))}</title></path>`;
      },
    ),
    title,
  );
}

/** A line of dev metrics, one point an epoch. */
export interface MetricLines {
  title: string;
  epochs: readonly number[];
  lines: readonly { name: string; values: readonly number[] }[];
}

const LINE_COLOURS = ['#2171b5', '#e6550d', '#31a354', '#756bb1'];

/** Metrics over epochs as a self-contained SVG. */
export function metricLinesSvg({ title, epochs, lines }: MetricLines): string {
  const label = { color: INK, fontFamily: FONT, fontSize: 11 };
  const quiet = { lineStyle: { color: INK, opacity: 0.25 } };
  const svg = draw(640, 280, {
    color: LINE_COLOURS,
    grid: { left: 60, right: 20, top: 40, bottom: 44 },
    legend: { top: 4, left: 54, textStyle: label, data: lines.map(({ name }) => name) },
    xAxis: {
      type: 'category',
      data: epochs.map(String),
      axisLabel: label,
      axisLine: quiet,
      axisTick: { show: false },
      name: 'epoch',
      nameLocation: 'middle',
      nameGap: 26,
      nameTextStyle: label,
    },
    yAxis: {
      type: 'value',
      scale: true,
      axisLabel: { ...label, formatter: (value: number) => String(Number(value.toFixed(4))) },
      splitLine: { lineStyle: { color: INK, opacity: 0.12 } },
    },
    series: lines.map(({ name, values }) => ({
      type: 'line' as const,
      silent: true,
      name,
      data: [...values],
      symbol: 'circle',
      symbolSize: 7,
    })),
  });
  return named(svg, title);
}

export function draw(width: number, height: number, option: EChartsOption): string {
  // Loaded here: only what draws a report pays for it.
  const echarts = require('echarts') as typeof import('echarts');
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    chart.setOption({ animation: false, ...option });
    return cleaned(chart.renderToSVGString());
  } finally {
    chart.dispose(); // Its timers keep the process alive.
  }
}

/**
 * Without what has a name that would meet that of the next chart on a page: the hover styles' classes, and the clip paths'
 * ids (there is nothing to clip: the axes span all values).
 */
const cleaned = (svg: string) =>
  svg
    .replace(/<defs\b[\s\S]*?<\/defs>/g, '')
    .replaceAll(/ clip-path="[^"]*"/g, '')
    .replace(/<style\b[\s\S]*?<\/style>/g, '')
    .replaceAll(/ class="zr[^"]*"/g, '')
    .replaceAll(INK, 'currentColor');

/** Gives an SVG its accessible name and lets it shrink with the page. */
export function named(svg: string, title: string): string {
  const text = escapeXml(title);
  return svg
    .replaceAll(/ ecmeta_[a-z_]+="[^"]*"/g, '')
    .replace(
      /^<svg ([^>]*)>/,
      `<svg $1 role="img" aria-label="${text}" style="max-width:100%;height:auto"><title>${text}</title><style>text{pointer-events:none}</style>`,
    )
    .trim();
}

/** Text as XML or HTML content or attribute. */
export const escapeXml = (text: string) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
