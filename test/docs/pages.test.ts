import * as fs from 'node:fs';
import * as path from 'node:path';
import { checkout, pageOf } from './reader';

/* What all pages for readers keep to: blocks say what they are, commands are run by somebody, links lead somewhere. */
const pages = [
  'README.md',
  ...fs
    .readdirSync(path.join(checkout, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

/** Commands in the running text, and who runs them. */
const IN_TEXT: Record<string, string> = {
  'npm run demo': 'readme.test.ts',
  'npm run setup': '.ci/run',
  'npm test': '.ci/run',
  'npx hifi setup': 'readme.test.ts',
  'npx hifi setup --gpu': 'by hand: needs a GPU',
  'npm install --no-save --ignore-scripts @tensorflow/tfjs-node-gpu@4.22.0': 'by hand: needs a GPU',
  'npm pack --ignore-scripts=false': 'package.test.ts runs the like',
  'npm install --ignore-scripts hifi-heads-0.1.0.tgz': 'package.test.ts runs the like',
  'npx hifi': 'all tests of pages',
  'npx hifi doctor': 'readme.test.ts',
  'python3 -m venv': 'reader.ts',
  'npm install @huggingface/transformers': 'npm ci: it is among the development packages',
  'npm install onnxruntime-node': 'npm ci',
  // What was measured: repeated by hand, on a machine with nothing else to do.
  'npm run bench -- --python PYTHON --cola CoLA': 'by hand: about an hour',
  'npm run bench -- --cola CoLA --only services': 'by hand',
  'npm run bench -- --only store': 'by hand',
  'npx hifi run --model all-MiniLM-L6-v2 --train train.tsv --dev dev.tsv --task cola --out out':
    'by hand, with CoLA; readme.test.ts runs the like',
  'npx hifi run --model all-MiniLM-L6-v2 --train train.tsv --dev dev.tsv --task sst2 --export onnx --onnx-dtype fp32,fp16,q8 --out out':
    'by hand, with SST-2; onnx-export.test.ts exports all types',
  'python test/fixtures/oracle.py compare': 'by hand: needs an analysis of CoLA',
  'python test/fixtures/check_checkpoint.py': 'by hand, on CoLA; merged-golden.test.ts on its golden file',
};
/** The same, of which the end depends on what was measured last. */
const BEGUN_IN_TEXT: Record<string, string> = { 'npx hifi compare': 'by hand: its runs are in docs/comparison' };

const textOf = (name: string) => fs.readFileSync(path.join(checkout, name), 'utf8').replace(/^```.*?^```$/gms, '');

test.each(pages)('%s: every block says its kind, and a test runs what is to be run', (name) => {
  const kinds = [...new Set(pageOf(name).map(({ kind }) => kind))];
  expect(kinds).not.toContain('');
  if (kinds.every((kind) => kind === 'text')) return;
  const tests = fs.readdirSync(__dirname).filter((file) => file.endsWith('.test.ts') && file !== 'pages.test.ts');
  const sources = tests.map((file) => fs.readFileSync(path.join(__dirname, file), 'utf8'));
  expect(sources.some((source) => source.includes(`'${name}'`))).toBe(true);
});

test.each(pages)('%s: commands in the text are whole, and known', (name) => {
  const spans = [...textOf(name).matchAll(/`((?:npx|npm|python3?|zcat|node) [^`]*)`/g)];
  const commands = spans.map(([, command]) => command.replace(/\s+/g, ' '));
  const begun = Object.keys(BEGUN_IN_TEXT);
  expect(commands.filter((each) => !(each in IN_TEXT) && !begun.some((some) => each.startsWith(some)))).toEqual([]);
});

test.each(pages)('%s: its links lead somewhere', (name) => {
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

/** The anchors of a page's headings, as GitHub makes them. */
const anchorsOf = (name: string) =>
  [...textOf(name).matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} -]/gu, '')
      .replaceAll(' ', '-'),
  );
