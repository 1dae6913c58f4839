import * as path from 'node:path';
import { randomStream } from '../../data/random';
import { writeWhole } from '../../foundation/whole-file';
import type { Phenomenon } from './phenomena';
import { HELD_OUT, PHENOMENA } from './phenomena';

/** Row of the demo's data. */
export interface DemoRow {
  sentence: string;
  label: 'acceptable' | 'unacceptable';
  phenomenon: string;
}

/**
 * Number of rows of each file. Each phenomenon has an equal share, and half of its rows are
 * acceptable.
 */
export const DEMO_ROWS = { train: 3000, dev: 400, test: 400 } as const;

export type DemoSplit = keyof typeof DEMO_ROWS;

/**
 * Draws the demo's data: acceptable and unacceptable English sentences, in groups that differ by
 * one or two words. No sentence is in two splits. In each split every word form occurs equally
 * often under both labels. `test` has a phenomenon that `train` and `dev` lack. A pure function of
 * the seed.
 */
export function demoData(seed: number): Record<DemoSplit, DemoRow[]> {
  const seen = new Set<string>();
  const drawn = (split: DemoSplit, phenomena: Record<string, Phenomenon>) => {
    const names = Object.keys(phenomena);
    const rows = names.flatMap((name) =>
      drawRows(name, phenomena[name], {
        random: randomStream(seed, `demo/${split}/${name}`),
        count: DEMO_ROWS[split] / names.length,
        seen,
      }),
    );
    return Array.from(randomStream(seed, `demo/${split}/order`).shuffle(rows.length), (at) => rows[at]);
  };
  return { train: drawn('train', PHENOMENA), dev: drawn('dev', PHENOMENA), test: drawn('test', HELD_OUT) };
}

function drawRows(
  phenomenon: string,
  draw: Phenomenon,
  { random, count, seen }: { random: ReturnType<typeof randomStream>; count: number; seen: Set<string> },
): DemoRow[] {
  const rows: DemoRow[] = [];
  while (rows.length < count) {
    const group = draw(random).map(({ words, acceptable }) => ({ sentence: asSentence(words), acceptable }));
    if (group.some(({ sentence }) => seen.has(sentence))) continue;
    for (const { sentence, acceptable } of group) {
      seen.add(sentence);
      rows.push({ sentence, label: acceptable ? 'acceptable' : 'unacceptable', phenomenon });
    }
  }
  return rows;
}

const asSentence = (words: string) => `${words[0].toUpperCase()}${words.slice(1)}.`;

/**
 * Writes `train.tsv`, `dev.tsv` and `test.tsv` (columns sentence, label, phenomenon) to a folder,
 * each whole or not at all. The same seed gives the same bytes.
 *
 * @returns the files' paths
 */
export function writeDemoData(folder: string, seed: number): Record<DemoSplit, string> {
  const data = demoData(seed);
  const write = (split: DemoSplit) => {
    const lines = data[split].map(({ sentence, label, phenomenon }) => `${sentence}\t${label}\t${phenomenon}\n`);
    const file = path.join(folder, `${split}.tsv`);
    writeWhole(file, `sentence\tlabel\tphenomenon\n${lines.join('')}`);
    return file;
  };
  return { train: write('train'), dev: write('dev'), test: write('test') };
}
