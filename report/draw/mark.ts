import { escapeXml } from './theme';

/** A part of a chart that tells something, to the pointer and to the keyboard. */
export interface Mark {
  /** Its place among the chart's parts, for the arrow keys. */
  row: number;
  column: number;
  /** Whose it is: the same in all charts are marked together. */
  of: string;
  tip: string;
}

/** The attributes of a part that tells something; its chart is a group. */
export const markOf = ({ row, column, of, tip }: Mark): string =>
  `role="img" tabindex="-1" data-at="${row}.${column}" data-of="${escapeXml(of)}" aria-label="${escapeXml(tip)}"`;
