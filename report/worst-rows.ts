import type { ErrorAnalysis, RowAnswer, WorstRow } from '../delta/error-analysis';
import { escapeXml } from './draw/theme';

/** Number of rows that the page shows unfolded. */
const SHOWN = 20;

/** Column of the table. */
interface Column {
  head: string;
  /** Content of a cell as HTML; undefined if the row has none. */
  cell(row: WorstRow): string | undefined;
  /** True for texts of rows, which may run from right to left. */
  text?: true;
}

const shortNumber = (value: number) => escapeXml(value.toPrecision(3));

const textHtml = (text: string | undefined) =>
  text === undefined || text.trim() !== '' ? text && escapeXml(text) : '<span class="note">empty</span>';

function answerHtml(answer: RowAnswer): string {
  if (typeof answer === 'number') return shortNumber(answer);
  if (typeof answer === 'string') return `<bdi>${escapeXml(answer)}</bdi>`;
  if (answer.length === 0) return '<span class="note">none</span>';
  return answer.map((label) => `<bdi>${escapeXml(label)}</bdi>`).join(', ');
}

const loss: Column = { head: 'loss', cell: (row) => shortNumber(row.loss) };

/** Columns of rows with one answer each. */
const PLAIN: readonly Column[] = [
  loss,
  { head: 'label', cell: ({ label }) => answerHtml(label) },
  { head: 'predicted', cell: ({ predicted }) => answerHtml(predicted) },
  { head: 'text', cell: ({ text }) => textHtml(text), text: true },
  { head: 'second text', cell: ({ second }) => textHtml(second), text: true },
];

/** Columns of rows with a tag per word. */
const TAGGED: readonly Column[] = [loss, { head: 'wrong tags, as label → predicted', cell: wordsHtml, text: true }];

/** Columns of queries. */
const RANKED: readonly Column[] = [
  { head: 'nDCG@10', cell: ({ ranking }) => ranking && shortNumber(ranking.ndcg) },
  { head: 'rank', cell: ({ ranking }) => ranking && `${ranking.rank}\u00a0of\u00a0${ranking.rows}` },
  { head: 'score', cell: ({ predicted }) => answerHtml(predicted) },
  { head: 'query', cell: ({ text }) => textHtml(text), text: true },
  { head: 'relevant text', cell: ({ second }) => textHtml(second), text: true },
  { head: 'first row', cell: ({ ranking }) => ranking && String(ranking.first.row) },
  { head: 'its score', cell: ({ ranking }) => ranking && shortNumber(ranking.first.predicted) },
  { head: 'its text', cell: ({ ranking }) => textHtml(ranking?.first.second), text: true },
];

/** Words of a row with the wrong ones marked; without words, the numbers of the wrong ones. */
function wordsHtml({ label, predicted, words, firstWord = 0 }: WorstRow): string {
  const [tags, answers] = [label as string[], predicted as string[]];
  const change = (at: number) => `<small dir="ltr">${escapeXml(`${tags[at]} → ${answers[at]}`)}</small>`;
  const isWrong = (at: number) => tags[at] !== answers[at];
  if (!words) {
    const wrong = tags.flatMap((_, at) => (isWrong(at) ? [`word ${firstWord + at}: ${change(at)}`] : []));
    return wrong.join(', ');
  }
  const shown = words.map((word, at) =>
    isWrong(at) ? `<mark>${escapeXml(word)}</mark> ${change(at)}` : escapeXml(word),
  );
  return `${firstWord > 0 ? '… ' : ''}${shown.join(' ')}`;
}

/** Table of the worst rows; those after the first {@link SHOWN} are folded. */
export function worstRowsHtml({ worst, unit }: ErrorAnalysis): string {
  const kind = worst[0]?.ranking ? RANKED : unit === 'words' || unit === 'entities' ? TAGGED : PLAIN;
  // Texts may be left out, and rows may have no second text.
  const columns = kind.filter(({ cell }) => worst.some((row) => cell(row) !== undefined));
  const table = (rows: readonly WorstRow[]) => {
    const head = ['row', ...columns.map((column) => column.head)].map((name) => `<th scope="col">${name}</th>`);
    const body = rows.map((row) => {
      const cells = columns.map(
        ({ cell, text }) => `<td${text ? ' class="text" dir="auto"' : ''}>${cell(row) ?? '–'}</td>`,
      );
      return `<tr><th scope="row">${row.row}</th>${cells.join('')}</tr>`;
    });
    return `<table class="rows"><thead><tr>${head.join('')}</tr></thead><tbody>${body.join('')}</tbody></table>`;
  };
  const rest = worst.slice(SHOWN);
  const more = rest.length > 0 ? `<details><summary>${rest.length} more rows</summary>${table(rest)}</details>` : '';
  return table(worst.slice(0, SHOWN)) + more;
}
