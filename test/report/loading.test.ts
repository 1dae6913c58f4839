import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { fixtures } from '../cli/spawn';
import { PYTORCH, pythonWith, withPyTorch } from '../docs/reader';
import { temporaryFolder } from '../support/deltas';

/*
 * Runs the loading code of a real report.html in the folder of the report, where the package and
 * transformers.js are installed.
 */
const checkout = path.join(__dirname, '../..');
const entry = path.join(checkout, 'cli/hifi.ts');
const scratch = temporaryFolder('loading');
afterAll(() => fs.rmSync(scratch, { recursive: true }));

interface Loaded {
  name: string;
  base: string;
  words: string[];
  /** Columns of new rows, and the texts of the example. */
  columns: string[];
}

const TEXTS = ['The book was written by her.', 'She wrote the book.'];
const CASES: Loaded[] = [
  {
    name: 'classes',
    base: 'tiny-bert',
    words: ['--train', 'tiny-data/train.tsv', '--text-columns', 'sentence', '--label-column', 'label'],
    columns: ['sentence'],
  },
  {
    name: 'numbers of pairs',
    base: 'tiny-roberta',
    words: [
      '--train',
      'tiny-data/pairs.tsv',
      '--text-columns',
      'text_a,text_b',
      '--label-column',
      'score',
      '--regression',
    ],
    columns: ['text_a', 'text_b'],
  },
];

function ran(program: string, words: string[], cwd: string, more: NodeJS.ProcessEnv = {}): string {
  const env = { ...process.env, HF_HUB_OFFLINE: '1', ...more };
  const { status, stdout, stderr } = spawnSync(program, words, { cwd, env, encoding: 'utf8', maxBuffer: 1 << 26 });
  expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
  return stdout;
}

describe.each(CASES)('$name', ({ name, base, words, columns }) => {
  const home = path.join(scratch, name);
  const out = path.join(home, 'out');
  const snippets = new Map<string, string>();
  let logits: number[];

  beforeAll(() => {
    fs.cpSync(path.join(fixtures, 'tiny-data'), path.join(home, 'tiny-data'), { recursive: true });
    fs.cpSync(path.join(fixtures, base), path.join(home, base), { recursive: true });
    const packages = path.join(home, 'node_modules');
    fs.mkdirSync(path.join(packages, '.bin'), { recursive: true });
    fs.symlinkSync(path.join(checkout, 'node_modules/@huggingface'), path.join(packages, '@huggingface'));
    fs.writeFileSync(path.join(packages, '.bin/hifi'), `#!/bin/sh\nexec '${process.execPath}' '${entry}' "$@"\n`, {
      mode: 0o755,
    });
    const args = ['run', '--model', base, ...words, '--epochs', '1', '--k', '1', '--export', 'checkpoint,peft,onnx'];
    ran(process.execPath, [entry, ...args, '--out', 'out'], home);

    const page = fs.readFileSync(path.join(out, 'report.html'), 'utf8');
    const load = page.slice(page.indexOf('<h2 id="load">'), page.indexOf('<h2 id="repeat">'));
    for (const [, title, code] of load.matchAll(/<div class="code" data-name="([^"]*)"><pre [^>]*>([^<]*)<\/pre>/g)) {
      const text = code
        .replaceAll('&quot;', '"')
        .replaceAll('&lt;', '<')
        .replaceAll('&gt;', '>')
        .replaceAll('&amp;', '&');
      snippets.set(title, text);
    }
    const row = TEXTS.slice(0, columns.length);
    fs.writeFileSync(path.join(out, 'new.tsv'), `${columns.join('\t')}\n${row.join('\t')}\n`);
    logits = JSON.parse(ran('sh', ['-c', snippets.get('hifi') as string], out)).logits;
  });

  test('the report has code for each export, and the command line gives the logits', () => {
    expect([...snippets.keys()]).toEqual(['hifi', 'transformers', 'peft', 'onnxruntime', 'transformers.js']);
    expect(logits).toHaveLength(name === 'classes' ? 2 : 1);
    expect(logits.every(Number.isFinite)).toBe(true);
    // The ONNX file is evaluated on the held-out rows of the epochs.
    const { best, metric, onnx } = JSON.parse(fs.readFileSync(path.join(out, 'metrics.json'), 'utf8'));
    expect(onnx[0].dev[metric]).toBeCloseTo(best.value, 5);
  });

  test('the code for transformers.js gives the logits', () => {
    fs.writeFileSync(path.join(out, 'load.mjs'), snippets.get('transformers.js') as string);
    const printed = ran(process.execPath, ['load.mjs'], out);
    if (name === 'classes') {
      const [, label, score] = /label: '(\w+)', score: ([\d.]+)/.exec(printed) as RegExpExecArray;
      const exps = logits.map(Math.exp);
      const best = logits.indexOf(Math.max(...logits));
      expect(label).toBe(String(best)); // the labels of the data are 0 and 1
      expect(Number(score)).toBeCloseTo(exps[best] / (exps[0] + exps[1]), 4);
    } else expect(JSON.parse(printed)[0][0]).toBeCloseTo(logits[0], 4);
  });

  withPyTorch('Python', () => {
    // One process for all three: an import of PyTorch takes seconds.
    test('the code for transformers, PEFT and onnxruntime gives the logits', async () => {
      const env = await pythonWith(PYTORCH, PYTORCH, home);
      const titles = ['transformers', 'peft', 'onnxruntime'];
      for (const title of titles) fs.writeFileSync(path.join(out, `${title}.load.py`), snippets.get(title) as string);
      const program = titles.map(
        (title) => `print('\\n${title}', json.dumps(runpy.run_path('${title}.load.py')['logits'].tolist()))\n`,
      );
      fs.writeFileSync(path.join(out, 'load.py'), `import json, runpy\n${program.join('')}`);
      const printed = ran('python3', ['load.py'], out, env);
      for (const title of titles) {
        const [, json] = new RegExp(`^${title} (.*)$`, 'm').exec(printed) as RegExpExecArray;
        const [row] = JSON.parse(json);
        expect([title, row.length]).toEqual([title, logits.length]);
        for (const [i, value] of row.entries()) expect(value).toBeCloseTo(logits[i], 4);
      }
    }, 1_500_000);
  });
});
