import { gridMap } from './grid-map';

/** One number per head, drawn as a map of layers and heads. */
export interface HeadMap {
  title: string;
  /** Values, [L][H]. */
  values: readonly (readonly number[])[];
  /** Formats the value of a cell. */
  text: (value: number) => string;
  /** Full text about a head. */
  tip: (layer: number, head: number) => string;
  /** Outlined heads. */
  chosen: readonly { layer: number; head: number }[];
  /** Ends of the scale. Default: the least and greatest value. */
  scale?: readonly [least: number, most: number];
  /** True: the values are yes (1) and no (0). */
  yesNo?: boolean;
}

/** Heads per layer from which on a cell is too narrow for its value. */
const MOST_LABELLED = 16;
/** Heads per layer from which on only some heads have their number. */
const MOST_NUMBERED = 32;

/** Draws a map of layers (downwards) and heads, with its legend. */
export function headMap({ title, values, text, tip, chosen, scale, yesNo = false }: HeadMap): string {
  const heads = values[0].length;
  const isChosen = new Set(chosen.map(({ layer, head }) => layer * heads + head));
  return gridMap({
    ...{ title, values, text, tip, scale, key: 'tuned', yesNo: yesNo ? ['tuned', 'frozen'] : undefined },
    ...headAxes(values.length, heads),
    attributes: (layer, head) => `data-head="${layer}.${head}"`,
    chosen: (layer, head) => isChosen.has(layer * heads + head),
    cell: { width: Math.max(14, Math.min(46, Math.floor(440 / heads))), height: 24 },
    labelled: heads <= MOST_LABELLED,
  });
}

/** Axes with layers downwards and heads to the right; both count from 0. */
export const headAxes = (layers: number, heads: number) => ({
  rows: { name: 'layer ↓', labels: Array.from({ length: layers }, (_, layer) => String(layer)) },
  columns: {
    name: 'head →',
    labels: Array.from({ length: heads }, (_, head) => String(head)),
    every: heads > MOST_NUMBERED ? 8 : 1,
  },
});
