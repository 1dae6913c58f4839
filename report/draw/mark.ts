import { escapeXml } from './theme';

/** Part of a chart with a text for pointer and keyboard. */
export interface Mark {
  /** Place among the chart's parts, for the arrow keys. */
  row: number;
  column: number;
  /** Owner of the part: all charts mark parts with the same owner together. */
  of: string;
  tip: string;
}

/** SVG attributes of a part with a text; its chart is a group. */
export const markOf = ({ row, column, of, tip }: Mark): string =>
  `role="img" tabindex="-1" data-at="${row}.${column}" data-of="${escapeXml(of)}" aria-label="${escapeXml(tip)}"`;
