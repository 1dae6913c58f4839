import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import type { DemoRow } from '../../../cli/demo/grammar';
import { DEMO_ROWS, demoData, writeDemoData } from '../../../cli/demo/grammar';
import { HELD_OUT, PHENOMENA } from '../../../cli/demo/phenomena';
import { fitLabels } from '../../../data/labels';
import { readDataset } from '../../../data/read';

const splits = ['train', 'dev', 'test'] as const;
const data = demoData(0);
const wordsOf = ({ sentence }: DemoRow) => sentence.toLowerCase().replace(/[.,]/g, '').split(' ');

/** Counts each word: occurrences in acceptable sentences minus those in unacceptable ones. */
function excess(rows: DemoRow[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const row of rows) {
    const sign = row.label === 'acceptable' ? 1 : -1;
    for (const word of wordsOf(row)) counts.set(word, (counts.get(word) ?? 0) + sign);
  }
  return counts;
}

/**
 * Trains a naive Bayes classifier on n-grams of `tokens`, with add-one smoothing. @returns its
 * accuracy
 */
function naiveBayes(train: DemoRow[], dev: DemoRow[], tokens: (row: DemoRow) => string[]): number {
  const counts = new Map<string, [number, number]>();
  for (const row of train) {
    for (const token of tokens(row)) {
      const count = counts.get(token) ?? [0, 0];
      count[row.label === 'acceptable' ? 1 : 0]++;
      counts.set(token, count);
    }
  }
  const right = dev.filter((row) => {
    const score = tokens(row).reduce((sum, token) => {
      const [bad, good] = counts.get(token) ?? [0, 0];
      return sum + Math.log((good + 1) / (bad + 1));
    }, 0);
    return score > 0 === (row.label === 'acceptable');
  });
  return right.length / dev.length;
}

describe('demoData', () => {
  it.each(splits)('%s: each phenomenon has its share of the rows, half of them acceptable', (split) => {
    const rows = data[split];
    expect(rows.length).toBe(DEMO_ROWS[split]);
    const phenomena = Object.keys(split === 'test' ? HELD_OUT : PHENOMENA);
    expect([...new Set(rows.map((row) => row.phenomenon))].sort()).toEqual([...phenomena].sort());
    for (const phenomenon of phenomena) {
      const own = rows.filter((row) => row.phenomenon === phenomenon);
      expect(own.length).toBe(rows.length / phenomena.length);
      expect(own.filter((row) => row.label === 'acceptable').length).toBe(own.length / 2);
    }
  });

  it.each([0, 1, 12345])('no sentence appears twice, within a split or in two (seed %d)', (seed) => {
    const rows = splits.flatMap((split) => demoData(seed)[split]);
    expect(new Set(rows.map((row) => row.sentence.toLowerCase())).size).toBe(rows.length);
  });

  it.each(splits)('%s: every word form is equally often in acceptable and unacceptable sentences', (split) => {
    expect([...excess(data[split])].filter(([, more]) => more !== 0)).toEqual([]);
  });

  it('is not solved by counting words', () => {
    expect(naiveBayes(data.train, data.dev, wordsOf)).toBeLessThanOrEqual(0.6);
    // Nor by words and lengths, nor by the beginning or end of a sentence.
    const shape = (row: DemoRow) => [...wordsOf(row), `length ${wordsOf(row).length}`];
    const ends = (row: DemoRow) => [wordsOf(row).slice(0, 2).join(' '), wordsOf(row).slice(-2).join(' ')];
    expect(naiveBayes(data.train, data.dev, shape)).toBeLessThanOrEqual(0.6);
    expect(naiveBayes(data.train, data.dev, ends)).toBeLessThanOrEqual(0.6);
  });

  it('is partly solved by word pairs, so that there is something to learn', () => {
    const pairs = (row: DemoRow) => {
      const words = wordsOf(row);
      return words.flatMap((a, i) => words.slice(i + 1).map((b) => `${a} … ${b}`));
    };
    expect(naiveBayes(data.train, data.dev, pairs)).toBeGreaterThan(0.6);
  });

  it('has hundreds of words, and dev no more than a few that train lacks', () => {
    const known = new Set(data.train.flatMap(wordsOf));
    expect(known.size).toBeGreaterThan(400);
    const all = new Set(data.dev.flatMap(wordsOf));
    expect([...all].filter((word) => !known.has(word)).length).toBeLessThan(all.size / 20);
  });

  it('writes sentences: a capital, a full stop, single spaces', () => {
    for (const { sentence } of splits.flatMap((split) => data[split])) {
      expect(sentence).toMatch(/^[A-Z][A-Za-z]*(,? [A-Za-z]+)+\.$/);
    }
  });

  it('is a pure function of the seed', () => {
    expect(demoData(0)).toEqual(data);
    expect(demoData(1).train.map(wordsOf)).not.toEqual(data.train.map(wordsOf));
  });
});

describe('writeDemoData', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-demo-'));
  afterAll(() => fs.rmSync(folder, { recursive: true }));

  it('writes three files that read back unchanged, the same bytes each time, and nothing else', async () => {
    const at = path.join(folder, 'new', 'data');
    const files = writeDemoData(at, 0);
    expect(fs.readdirSync(at).sort()).toEqual(['dev.tsv', 'test.tsv', 'train.tsv']);
    const hash = () => splits.map((split) => createHash('sha256').update(fs.readFileSync(files[split])).digest('hex'));
    const before = hash();
    expect(writeDemoData(at, 0)).toEqual(files);
    expect(hash()).toEqual(before);
    for (const split of splits) {
      const dataset = await readDataset(
        { path: files[split], textColumns: ['sentence'], labelColumn: 'label' },
        'labels',
      );
      expect(dataset.texts).toEqual(data[split].map((row) => row.sentence));
      expect(dataset.labels).toEqual(data[split].map((row) => row.label));
      expect(fitLabels(dataset)).toEqual({ problem: 'single-label', names: ['acceptable', 'unacceptable'] });
    }
  });
});
