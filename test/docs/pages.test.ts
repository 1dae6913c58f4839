import * as fs from 'node:fs';
import * as path from 'node:path';
import { checkout, pageOf } from './reader';

/* Checks all pages: blocks state their language, tests run all commands, links have targets. */
const pages = [
  'README.md',
  ...fs
    .readdirSync(path.join(checkout, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

/** Commands in running text, with the test that runs them. */
const IN_TEXT: Record<string, string> = {
  'npm run demo': 'readme.test.ts',
  'npm run setup': '.ci/run',
  'npm test': '.ci/run',
  'npx hifi setup': 'readme.test.ts',
  'npx hifi setup --gpu': 'by hand: needs a GPU',
  'npm install --no-save --ignore-scripts @tensorflow/tfjs-node-gpu@4.22.0': 'by hand: needs a GPU',
  'npm pack --ignore-scripts=false': 'package.test.ts runs a similar one',
  'npm install --ignore-scripts hifi-heads-0.1.0.tgz': 'package.test.ts runs a similar one',
  'npx hifi': 'all tests of pages',
  'npx hifi doctor': 'readme.test.ts',
  'python3 -m venv': 'reader.ts',
  'npm install @huggingface/transformers': 'npm ci: a development dependency',
  'npm install onnxruntime-node': 'npm ci',
  // Measurements: repeated by hand, on an idle machine.
  'npm run bench -- --python PYTHON --cola CoLA': 'by hand: about an hour',
  'npm run bench -- --python PYTHON --only answers': 'by hand: about half an hour',
  'npm run bench -- --cola CoLA --only services': 'by hand',
  'npm run bench -- --only store': 'by hand',
  'npm run bench -- --only curves --out docs/curves': 'by hand: a benchmark',
  'npm run bench -- --only shards --model FOLDER --rounds 2': 'by hand: a benchmark',
  'node --require ./test/support/typescript-hook.cjs bench/learning-rates.ts --train SST-2/train.tsv --task sst2 --rates 1e-3 --precision float32,bf16 --out OUT':
    'by hand, with SST-2: hours',
  'npm run bench -- --python PYTHON --only steps --precision float32,bf16': 'by hand: a benchmark',
  'node --require ./test/support/typescript-hook.cjs bench/learning-rates.ts --train SST-2/train.tsv --task sst2 --out OUT':
    'by hand, with SST-2: hours',
  'npx hifi predict --model out/checkpoint --data text.jsonl --text-columns text --threads 1':
    'by hand: peak memory; trainer/words.test.ts predicts a similar text',
  'npx hifi run --model all-MiniLM-L6-v2 --train train.tsv --dev dev.tsv --task cola --out out':
    'by hand, with CoLA; readme.test.ts runs a similar one',
  'npx hifi run --model all-MiniLM-L6-v2 --train train.tsv --dev dev.tsv --task sst2 --export onnx --onnx-dtype fp32,fp16,q8 --out out':
    'by hand, with SST-2; onnx-export.test.ts exports all types',
  'python test/fixtures/oracle.py compare': 'by hand: needs an analysis of CoLA',
  'python test/fixtures/check_checkpoint.py': 'by hand, on CoLA; merged-golden.test.ts on its golden file',
};
/** Commands by their beginning; their end depends on the latest measurement. */
const BEGUN_IN_TEXT: Record<string, string> = { 'npx hifi compare': 'by hand: its runs are in docs/comparison' };

const textOf = (name: string) => fs.readFileSync(path.join(checkout, name), 'utf8').replace(/^```.*?^```$/gms, '');

test.each(pages)('%s: every block states its language, and a test runs it', (name) => {
  const kinds = [...new Set(pageOf(name).map(({ kind }) => kind))];
  expect(kinds).not.toContain('');
  if (kinds.every((kind) => kind === 'text')) return;
  const tests = fs.readdirSync(__dirname).filter((file) => file.endsWith('.test.ts') && file !== 'pages.test.ts');
  const sources = tests.map((file) => fs.readFileSync(path.join(__dirname, file), 'utf8'));
  expect(sources.some((source) => source.includes(`'${name}'`))).toBe(true);
});

test.each(pages)('%s: commands in running text are complete, and a test runs them', (name) => {
  const spans = [...textOf(name).matchAll(/`((?:npx|npm|python3?|zcat|node) [^`]*)`/g)];
  const commands = spans.map(([, command]) => command.replace(/\s+/g, ' '));
  const begun = Object.keys(BEGUN_IN_TEXT);
  expect(commands.filter((each) => !(each in IN_TEXT) && !begun.some((some) => each.startsWith(some)))).toEqual([]);
});

test.each(pages)('%s: all links have targets', (name) => {
  const links = [...textOf(name).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link);
  const dead = links.filter((link) => {
    if (/^https?:/.test(link)) return false;
    const [file, anchor] = link.split('#');
    const to = file === '' ? name : path.join(path.dirname(name), file);
    if (!fs.existsSync(path.join(checkout, to))) return true;
    return anchor !== undefined && !anchorsOf(to).includes(anchor);
  });
  expect(dead).toEqual([]);
});

/** Anchors of a page's headings, as GitHub generates them. */
const anchorsOf = (name: string) =>
  [...textOf(name).matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} -]/gu, '')
      .replaceAll(' ', '-'),
  );
