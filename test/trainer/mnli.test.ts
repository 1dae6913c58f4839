import * as fs from 'node:fs';
import * as path from 'node:path';
import { readDataset } from '../../data/read';
import { loadTensorFlow } from '../../infra/tensorflow';
import { evaluate } from '../../trainer/inference';
import { runs, TINY_DATA } from './runs';

const tf = loadTensorFlow();
const { folder, request, finish } = runs(tf);

const PARSES = ['sentence1_binary_parse', 'sentence2_binary_parse', 'sentence1_parse', 'sentence2_parse'];
const START = ['index', 'promptID', 'pairID', 'genre', ...PARSES, 'sentence1', 'sentence2'];
const CLASSES = ['entailment', 'neutral', 'contradiction'];

/** Writes GLUE's columns: five annotators' labels in a dev file, one in the training file. */
function writeMnli(file: string, annotators: number, rows: [first: string, second: string, gold: string][]): void {
  const votes = Array.from({ length: annotators }, (_, i) => `label${i + 1}`);
  const lines = rows.map(([first, second, gold], i) =>
    [i, `${i}`, `${i}e`, 'fiction', ...PARSES.map(() => '( x )'), first, second, ...votes.map(() => gold), gold].join(
      '\t',
    ),
  );
  fs.writeFileSync(file, `${[[...START, ...votes, 'gold_label'].join('\t'), ...lines].join('\n')}\n`);
}

it('evaluates MNLI on the matched file and reports the mismatched one', async () => {
  const { texts, seconds } = await readDataset(
    { path: path.join(TINY_DATA, 'pairs.tsv'), textColumns: ['text_a', 'text_b'] },
    'texts',
  );
  const place = folder();
  const at = (name: string) => path.join(place, name);
  const row = (i: number, shift: number): [string, string, string] => [
    texts[i % texts.length],
    (seconds as string[])[i % texts.length],
    CLASSES[(i + shift) % 3],
  ];
  const rows = (count: number, shift: number) => Array.from({ length: count }, (_, i) => row(i, shift));
  writeMnli(at('train.tsv'), 1, rows(24, 0));
  writeMnli(at('dev_matched.tsv'), 5, [...rows(17, 0), ['no', 'agreement', '-']]);
  writeMnli(at('dev_mismatched.tsv'), 5, rows(11, 1));

  const task = 'mnli' as const;
  const what = await request({
    train: { path: at('train.tsv'), task },
    dev: { path: at('dev_matched.tsv'), task },
    options: { epochs: 2, maxLength: 24 },
  });
  const { metrics } = await finish(what);
  expect(metrics).toMatchObject({ task, metric: 'accuracy' });
  for (const { dev } of metrics.epochs) {
    expect(Object.keys(dev).sort()).toEqual(['accuracy', 'accuracyMismatched', 'loss']);
  }
  const { accuracy, accuracyMismatched } = metrics.epochs[metrics.best.epoch - 1].dev;
  expect(metrics.best.value).toBe(accuracy);

  const scored = async (name: string) => {
    const data = { path: at(name), task };
    const run = evaluate(tf, { model: what.model, delta: path.join(what.out, 'delta'), data, options: what.options });
    let next = await run.next();
    while (!next.done) next = await run.next();
    return next.value;
  };
  expect(await scored('dev_matched.tsv')).toMatchObject({ task, rows: 17, metrics: { accuracy } });
  expect(await scored('dev_mismatched.tsv')).toMatchObject({ rows: 11, metrics: { accuracy: accuracyMismatched } });

  // Without the second file there is only one accuracy.
  fs.rmSync(at('dev_mismatched.tsv'));
  const alone = await finish({ ...what, out: folder() });
  expect(Object.keys(alone.metrics.epochs[0].dev).sort()).toEqual(['accuracy', 'loss']);
});
