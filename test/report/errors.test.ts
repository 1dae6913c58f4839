import type { ErrorAnalysis } from '../../delta/error-analysis';
import { csvText, ERROR_FILES, errorFiles } from '../../report/error-files';
import { confusedPairs } from '../../report/error-tables';
import { figures } from '../../report/figures';
import type { ReportParts } from '../../report/parts';
import { renderReport } from '../../report/render-report';
import { sampleMask, sampleMetrics, sampleReport } from '../job/sample-results';
import {
  classErrors,
  manyNames,
  numberErrors,
  relevanceErrors,
  severalErrors,
  severalErrorsOf,
  wordErrors,
} from './sample-errors';

const partsOf = (errorAnalysis: ErrorAnalysis): ReportParts => ({
  heads: sampleReport(),
  mask: sampleMask(),
  metrics: { ...sampleMetrics(), errorAnalysis },
});
/** Section of the errors. */
const pageOf = (errors: ErrorAnalysis) => /<h2 id="errors">[\s\S]*?<\/section>/.exec(renderReport(partsOf(errors)))![0];
const drawn = (errors: ErrorAnalysis) =>
  figures(partsOf(errors))
    .map(({ name }) => name)
    .slice(-3);
const files = (errors: ErrorAnalysis) => Object.fromEntries(errorFiles(errors));

test('a few classes have a matrix, many the most confused pairs', () => {
  const few = classErrors(['no', 'yes']);
  expect(drawn(few)).toContain('confusion');
  expect(pageOf(few)).toContain('aria-label="Confusion matrix"');
  const many = classErrors(manyNames(150), 600);
  expect(drawn(many)).not.toContain('confusion');
  const page = pageOf(many);
  expect(page).not.toContain('aria-label="Confusion matrix"');
  const { labels, matrix } = many.confusion!;
  const largest = Math.max(...matrix.flatMap((row, i) => row.filter((_, j) => i !== j)));
  expect(page).toContain(`<td class="number">${largest}</td>`);
  const sum = files(many)['confusion.csv'].trimEnd().split('\n').slice(1);
  expect(sum.reduce((all, line) => all + Number(line.split(',').at(-1)), 0)).toBe(600);
  expect(labels).toHaveLength(150);
});

test('with several labels a share of confused rows is one of the rows with the label', () => {
  const names = manyNames(40);
  // Each row has label 0, and two other labels are predicted: each row is in two pairs.
  const targets = Array.from({ length: 7 }, () => Uint8Array.from(names, (_, label) => Number(label === 0)));
  const values = targets.flatMap((_, row) => names.map((_, label) => (label === 1 || label === 2 + row ? 5 : -5)));
  const errors = severalErrorsOf(names, targets, values);
  expect(confusedPairs(errors)[0]).toEqual({ label: names[0], predicted: names[1], count: 7, share: 1 });
  expect(pageOf(errors).match(/>of the label[^<]*</g)).toEqual([">of the label's rows<"]);
  const few = figures(partsOf(severalErrors(['joy', 'anger']))).find(({ name }) => name === 'confusion')!;
  expect(few.caption).toContain('the pairs of each label and a predicted one, in %');
});

test('several labels have curves; their map frames the chosen threshold', () => {
  const errors = severalErrors(['joy', 'anger', 'fear']);
  expect(drawn(errors)).toEqual(['confusion', 'thresholds', 'label-thresholds']);
  const map = figures(partsOf(errors)).find(({ name }) => name === 'label-thresholds')!.svg;
  expect(map.match(/class="cell q\d chosen"/g)).toHaveLength(3);
  expect(map).toMatch(/chosen" role="gridcell"[^>]*aria-label="joy from 0.4 on: precision/);
  const lines = files(errors)['thresholds.csv'].trimEnd().split('\n');
  expect(lines[0]).toBe('average,label,threshold,precision,recall,f1');
  expect(lines).toHaveLength(1 + 23 * 5);
});

test('texts are escaped, and have the direction of their letters; an empty one is named', () => {
  const errors = classErrors(['<i>no</i>', 'yes'], 6);
  const worst = errors.worst.concat(
    ['<script>alert(1)</script>', 'مرحبا', ' '].map((text, row) => ({
      row,
      loss: 1,
      label: 'yes',
      predicted: 'no',
      text,
    })),
  );
  const page = pageOf({ ...errors, wrong: worst.length, worst });
  expect(page).not.toMatch(/<script|<i>/);
  expect(page).toContain('<td class="text" dir="auto">&lt;script&gt;alert(1)&lt;/script&gt;</td>');
  expect(page).toContain('<td class="text" dir="auto">مرحبا</td>');
  expect(page).toContain('<span class="note">empty</span>');
});

test.each([
  ['classes', classErrors(['no', 'yes'])],
  ['several labels', severalErrors(manyNames(28))],
  ['words', wordErrors()],
  ['relevance', relevanceErrors()],
  ['numbers', numberErrors()],
])('the page without texts has the rows: %s', (_, errors) => {
  const worst = errors.worst.map(({ text: _text, second: _second, words: _words, ...row }) => {
    const { second: _first, ...first } = row.ranking?.first ?? {};
    return { ...row, ...(row.ranking && { ranking: { ...row.ranking, first } }) } as typeof row;
  });
  const [full, bare] = [pageOf(errors), pageOf({ ...errors, worst })];
  expect(full).toMatch(/class="text" dir="auto"/);
  expect(bare).not.toMatch(/farmer (?!\d)|<th scope="col">(text|query|its text)</);
  const rows = (page: string) => page.match(/<tr><th scope="row">\d+<\/th>/g);
  expect(rows(bare)).toEqual(rows(full));
  for (const page of [full, bare]) expect(page).not.toMatch(/undefined|NaN|\[object|null/);
});

test('a model without errors has no worst rows', () => {
  const errors = { ...classErrors(['no', 'yes']), wrong: 0, worst: [] };
  expect(pageOf(errors)).toContain('No row is wrong.');
  expect(files(errors)['worst.csv'].split('\n')).toHaveLength(2);
});

test('CSV files quote what needs it, and only the problem decides which there are', () => {
  expect(csvText([['a,b', 'say "x"', 'two\nlines', undefined, 0.5]])).toBe('"a,b","say ""x""","two\nlines",,0.5\n');
  expect(Object.keys(files(severalErrors(['a', 'b'])))).toEqual([...ERROR_FILES]);
  expect(Object.keys(files(wordErrors()))).toEqual(['classes.csv', 'confusion.csv', 'worst.csv']);
  expect(Object.keys(files(numberErrors()))).toEqual(['worst.csv']);
});
