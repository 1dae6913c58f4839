import type { Ablation } from '../../delta/ablation';
import { renderAblation } from '../../report/ablation-page';
import { ablationInWords, ablationRows } from '../../report/ablation-words';

const at = (value: number, low: number, high: number) => ({ value, interval: { low, high } });
const heads = [
  { layer: 4, head: 1 },
  { layer: 5, head: 0 },
];
const gated = (value: number, low: number, high: number) => ({
  ...at(value, low, high),
  difference: at(value - 0.8, low - 0.8, high - 0.8),
});

/** Ablation with a difference of the tuned heads to drawn ones. */
const ablationOf = (low: number, high: number): Ablation => ({
  schemaVersion: 1,
  model: { name: 'a < b', sha256: 'f'.repeat(64) },
  strategy: 'hifi',
  task: null,
  metric: 'accuracy',
  rows: 400,
  bootstrap: { unit: 'rows', units: 400, replicates: 1000, level: 0.95, seed: 7 },
  allOn: at(0.8, 0.75, 0.85),
  tuned: { heads, ...gated(0.5, 0.4, 0.6) },
  drawn: {
    ...gated(0.7, 0.65, 0.75),
    draws: [
      { heads, value: 0.69 },
      { heads, value: 0.71 },
    ],
    tunedMinusDrawn: at((low + high) / 2, low, high),
  },
  last: { heads, ...gated(0.75, 0.7, 0.8) },
});

test.each([
  [
    -0.3,
    -0.1,
    'The tuned heads carry more of the task than other heads: without them accuracy is 0.2000 (0.1000 to 0.3000) lower than without as many others.',
  ],
  [
    0.1,
    0.3,
    'The tuned heads carry less of the task than other heads: without them accuracy is 0.2000 (0.1000 to 0.3000) higher than without as many others.',
  ],
  [
    -0.3,
    0.1,
    'On these rows the tuned heads carry neither more nor less of the task than other heads: accuracy without them minus that without as many others is −0.1000 (−0.3000 to +0.1000).',
  ],
])('a difference of %d to %d is put in words', (low, high, words) => {
  expect(ablationInWords(ablationOf(low, high))).toBe(words);
});

test('groups that were not measured are left out', () => {
  const none = { ...ablationOf(-0.3, -0.1), drawn: null, last: null };
  expect(ablationRows(none).map(({ name }) => name)).toEqual(['none', 'tuned']);
  expect(ablationInWords(none)).toMatch(/^A layer has fewer other heads than tuned ones/);
  expect(ablationRows(ablationOf(-0.3, -0.1)).map(({ off, difference }) => [off, difference])).toEqual([
    ['none', ''],
    ['the 2 tuned', '−0.3000 (−0.4000 to −0.2000)'],
    ['2 others, mean of 2 draws', '−0.1000 (−0.1500 to −0.0500)'],
    ['the last 2 others by PageRank', '−0.0500 (−0.1000 to 0.0000)'],
  ]);
});

test('the page has the groups, their heads and the command', () => {
  const options = { batchSize: 32, maxLength: 64, device: 'cpu' } as const;
  const rows = { path: 'data/dev.csv', textColumns: ['text'], labelColumn: 'y' };
  const asked = { model: 'M', delta: 'out/delta', rows, options };
  const page = renderAblation(ablationOf(-0.3, -0.1), asked);
  expect(page).toContain('Heads of a &lt; b gated off on data/dev.csv');
  expect(page).toContain('carry more of the task');
  expect(page).toContain('draw 2: 0.7100');
  expect(page).toContain('layer 5');
  for (const flag of ['--data data/dev.csv', '--text-columns text', '--label-column y']) expect(page).toContain(flag);
  expect(page.slice(0, page.indexOf('<script'))).not.toMatch(/NaN|undefined|\[object/);
});
