import { type Layout, layoutsApart, layoutsTogether } from '../../inference/layouts';
import type { ServedDelta } from '../../inference/served-delta';

/** Delta with this lowest tuned layer. */
const delta = (lowest: number) => ({ lowest }) as ServedDelta;
const [a, b, c, head] = [delta(1), delta(2), delta(2), delta(4)];

/** Deltas as letters, `·` for the base, and the rows. */
const shown = (layouts: readonly Layout[]) =>
  layouts.map(({ of, states, from, sequences, own }) => [
    of.map((each) => (each ? 'abch'[[a, b, c, head].indexOf(each)] : '·')).join(''),
    states,
    ...[from, sequences, own].map((rows) => rows.join('')),
  ]);

test('deltas part from the base one by one, and from the shared state at the first', () => {
  expect(shown(layoutsTogether([a, b, c, head], 2, 4, 4))).toEqual([
    ['·', 1, '01', '01', '01'],
    ['a·', 1, '01', '0101', '0101'],
    ['abc·', 4, '01232323', '01010101', '01234567'],
    ['abc·', 4, '01234567', '01010101', '01234567'],
    ['abch', 4, '01234567', '01010101', '01234567'],
  ]);
});

test('the last layer reads rows of each delta where it must', () => {
  const layouts = (apart: number) => shown(layoutsTogether([head, head], 1, 4, apart)).slice(3);
  expect(layouts(4)).toEqual([
    ['·', 1, '0', '0', '0'],
    ['hh', 2, '00', '00', '01'],
  ]);
  expect(layouts(3)).toEqual(layouts(4));
  const [last] = shown(layoutsTogether([delta(3), delta(3)], 1, 4, 3)).slice(3);
  expect(last.slice(1)).toEqual([2, '00', '00', '01']);
});

test('a sequence of each delta keeps its row', () => {
  expect(shown(layoutsApart([b, c], 4))).toEqual([
    ['·', 1, '01', '01', '01'],
    ['·', 1, '01', '01', '01'],
    ...Array(3).fill(['bc', 2, '01', '01', '01']),
  ]);
});
