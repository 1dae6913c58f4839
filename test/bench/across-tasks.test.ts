import * as fs from 'node:fs';
import * as path from 'node:path';
import { acrossMarkdown, acrossTasks, type ComparedTask } from '../../bench/across-tasks';
import type { Method } from '../../compare/methods';
import type { ComparisonResults } from '../../compare/summary';
import { temporaryFolder } from '../support/deltas';

const folder = temporaryFolder('across');
fs.mkdirSync(path.join(folder, 'runs'));
afterAll(() => fs.rmSync(folder, { recursive: true }));

/** Comparison with these test metrics; only what the summary reads. */
function task(metric: string, values: Partial<Record<Method, number[]>>): ComparedTask {
  const standings = Object.entries(values).map(([contestant, all], i) => ({
    contestant,
    lr: null,
    values: all,
    seconds: { selection: 1, run: 10 * (i + 1), test: 0 },
  }));
  const results = { metric, seeds: [0, 1], standings, settings: { searchSeed: 0 } } as unknown as ComparisonResults;
  return { folder, results };
}

const tasks = [
  task('accuracy', { none: [0.5, 0.7], full: [0.8, 0.8], hifi: [0.8, 0.7], lora: [0.7, 0.7], logistic: [0.9, 0.9] }),
  task('pearson', { none: [0.1, 0.1], full: [0.5, 0.5], hifi: [0.5, 0.3], lora: [0.2, 0.2] }),
];

test('scales each task from the task head alone to full fine-tuning', () => {
  const all = new Map(acrossTasks(tasks).map((each) => [each.method, each]));
  // accuracy is scaled by (x − 0.6)/0.2, pearson by (x − 0.1)/0.4: hifi has 1, 0.5 and 1, 0.5.
  expect(all.get('hifi')!.score).toBeCloseTo(0.75, 12); // of four values the middle two
  expect(all.get('lora')!.score).toBeCloseTo((0.5 + 0.25) / 2, 12);
  expect(all.get('full')!.score).toBeCloseTo(1, 12);
  expect(all.get('none')!.score).toBeCloseTo(0, 12); // −0.5, 0, 0, 0.5
  // lora − hifi: −0.5, 0 and −0.75, −0.25; hifi wins or ties 0.75 and 1 of the pairs.
  expect(all.get('lora')!.difference).toBeCloseTo(-0.375, 12);
  expect(all.get('lora')!.improvement).toBeCloseTo((0.25 + 0) / 2, 12);
  expect(all.get('lora')!.seconds).toEqual({ run: 82, whole: 82 });
  expect(all.get('hifi')!.difference).toBeUndefined();
});

test('leaves out methods that a task lacks, and puts the best first', () => {
  expect(acrossTasks(tasks).map(({ method }) => method)).toEqual(['full', 'hifi', 'lora', 'none']);
});

test('the table has a line for each method and the tasks', () => {
  const text = acrossMarkdown(tasks);
  expect(text).toMatch(/^\| full \| 1\.000 \| [^|]+\| \+0\.250 \|/m);
  expect(text).toMatch(/^\| hifi \| 0\.750 \| [^|]+\| – \| – \| – \| 1\.00 \| 1\.00 \|$/m);
  expect(text).toContain(`(accuracy), ${path.basename(folder)} (pearson); 2 seeds each`);
});

test('needs the methods of the scale', () => {
  expect(() => acrossTasks([task('accuracy', { full: [1, 1], hifi: [1, 1] })])).toThrow(
    `${folder} has no runs of none`,
  );
});

test('needs the same seeds of every method and task', () => {
  const short = task('accuracy', { none: [0.5, 0.6], full: [0.9, 0.8], hifi: [0.7] });
  expect(() => acrossTasks([short])).toThrow(`${folder} does not have seeds 0, 1 of hifi`);
  const others = { ...tasks[1], results: { ...tasks[1].results, seeds: [0, 2] } };
  expect(() => acrossTasks([tasks[0], others])).toThrow(`${folder} does not have seeds 0, 1 of `);
});
