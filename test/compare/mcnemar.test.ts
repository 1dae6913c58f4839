import * as fs from 'node:fs';
import * as path from 'node:path';
import { mcnemar } from '../../compare/mcnemar';

// Results of SciPy: test/fixtures/make_comparison_golden.py.
const golden = JSON.parse(fs.readFileSync(path.join(__dirname, '../fixtures/comparison.golden.json'), 'utf8'));

test.each(golden.mcnemar as { onlyFirst: number; onlySecond: number; p: number }[])(
  'the p of $onlyFirst and $onlySecond rows is that of SciPy',
  ({ onlyFirst, onlySecond, p }) => {
    const both = '0110'.repeat(9); // rows on which the two agree count for nothing
    const first = `${both}${'1'.repeat(onlyFirst)}${'0'.repeat(onlySecond)}`;
    const second = `${both}${'0'.repeat(onlyFirst)}${'1'.repeat(onlySecond)}`;
    const found = mcnemar(first, second);
    const rule = onlyFirst + onlySecond < 25 ? 'exact' : 'chi-square';
    expect(found).toEqual({ onlyFirst, onlySecond, p: expect.any(Number), rule });
    expect(Math.abs(found.p - p)).toBeLessThan(1e-12 * p);
    expect(mcnemar(second, first)).toEqual({ ...found, onlyFirst: onlySecond, onlySecond: onlyFirst });
  },
);
