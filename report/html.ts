import { escapeXml } from './draw/theme';

/** Section of a page with its name in the contents. */
export interface Section {
  id: string;
  name: string;
  html: string;
}

/** A chart that is also a file. */
export interface Figure {
  /** Name of the file without its extension. */
  name: string;
  caption: string;
  svg: string;
}

/** Value of a table: texts are escaped, numbers are right-aligned. */
export type Cell = string | number;

/** Text of a number in a table: with a sign, as an interval, or a dash. */
const NUMERIC = /^(?:[+−-]?[\d,.]+(?:e[+-]?\d+)?(?: … [+−-]?[\d,.]+)?(?: %)?|–)$/;

/** HTML table whose first column names the rows; below a head, numbers are right-aligned. */
export function htmlTable(rows: readonly (readonly Cell[])[], head?: readonly string[]): string {
  const numeric = (cell: Cell) => typeof cell === 'number' || NUMERIC.test(cell);
  const right = head?.map((_, i) => i > 0 && rows.length > 0 && rows.every((row) => numeric(row[i]))) ?? [];
  const cells = (row: readonly Cell[]) =>
    row.map((cell, i) => {
      const text = escapeXml(String(cell));
      if (i === 0) return `<th scope="row">${text}</th>`;
      return right[i] ? `<td class="number">${text}</td>` : `<td>${text}</td>`;
    });
  const top = head
    ? `<thead><tr>${head.map((name, i) => `<th scope="col"${right[i] ? ' class="number"' : ''}>${escapeXml(name)}</th>`).join('')}</tr></thead>`
    : '';
  return `<table>${top}<tbody>${rows.map((row) => `<tr>${cells(row).join('')}</tr>`).join('')}</tbody></table>`;
}

export const figureHtml = ({ svg, caption }: Pick<Figure, 'svg' | 'caption'>) =>
  `<figure>${svg}<figcaption>${escapeXml(caption)}</figcaption></figure>`;

/** Lets content wider than the page scroll by itself, with the keyboard too. */
export const wide = (name: string, html: string) =>
  `<div class="wide" role="group" aria-label="${escapeXml(name)}" tabindex="0">${html}</div>`;

/** Code block; the page's script adds a button that copies it. */
export const codeHtml = (name: string, code: string) =>
  `<div class="code" data-name="${escapeXml(name)}"><pre tabindex="0" role="group" aria-label="${escapeXml(name)}">${escapeXml(code)}</pre></div>`;
