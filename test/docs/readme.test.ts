import * as fs from 'node:fs';
import * as zlib from 'node:zlib';
import { demoData } from '../../cli/demo/grammar';
import { resolveModel } from '../../model/resolve';
import { shows } from './page';
import { checkout, pageOf, Reader } from './reader';

/*
 * Runs README.md like a reader: each block as written, in a folder with the files that it names.
 * These are small: rows of docs/own-data.md, and the demo's data in CoLA's layout.
 */
const README = 'README.md';
const page = pageOf(README);
const reader = new Reader();

/** Blocks that other tests run. Any other block of an unknown kind fails. */
const ELSEWHERE: Record<string, string> = {
  'npm run demo\nnpm test\n': 'the demo below; npm test is what runs this',
  'mkdir -p hifi-data\nnpx hifi serve all --data-root hifi-data\n':
    'clients.test.ts, with a state directory and other ports',
};
/** Kinds of blocks that other tests run. */
const KINDS_ELSEWHERE: Record<string, string> = {
  'sh grpcurl': 'clients.test.ts',
  python: 'tutorials.test.ts, which has the packages',
  ts: 'test/examples, as a project with the package compiles it',
  text: 'what is printed',
};

const here = (kind: string) => page.filter((block) => block.kind === kind && !(block.body in ELSEWHERE));
/** Trains for minutes; has its own test. */
const comparing = here('sh').filter(({ body }) => body.includes('hifi compare'));

beforeAll(async () => {
  const rows = pageOf('docs/own-data.md').filter(({ body }) => /^cat > \w+\.csv/.test(body));
  await reader.run('docs/own-data.md', rows);
  const model = await resolveModel('all-MiniLM-L6-v2');
  reader.link(model, 'M');
  writeCola(reader, 60, 30);
  const { train } = demoData(0);
  const lines = train.slice(0, 400).map(({ sentence }) => `${sentence}\n`);
  fs.writeFileSync(reader.at('lines.gz'), zlib.gzipSync(lines.join('')));
});
afterAll(() => reader.remove());

/** train.tsv and dev.tsv in CoLA's layout: source, label, original label, sentence; no header. */
function writeCola(to: Reader, train: number, dev: number): void {
  const data = demoData(0);
  for (const [split, count] of Object.entries({ train, dev } as const)) {
    const lines = data[split as 'train' | 'dev']
      .slice(0, count)
      .map(({ sentence, label }) => `demo\t${label === 'acceptable' ? 1 : 0}\t\t${sentence}\n`);
    fs.writeFileSync(to.at(`${split}.tsv`), lines.join(''));
  }
}

test('some test runs each block', () => {
  const kinds = ['sh', ...Object.keys(KINDS_ELSEWHERE)];
  const nobodys = page.filter(({ kind, body }) => !kinds.includes(kind) && !(body in ELSEWHERE));
  expect(nobodys).toEqual([]);
  const bodies = page.map(({ body }) => body);
  expect(Object.keys(ELSEWHERE).filter((body) => !bodies.includes(body))).toEqual([]);
  expect(comparing).toHaveLength(1);
});

test('all commands succeed, in order', async () => {
  const blocks = here('sh').filter((block) => !comparing.includes(block));
  const outputs = await reader.run(README, blocks);
  const predicted = outputs.join('').match(/^\{"row":\d+,"label":"(delivery|payment|fault)",/gm);
  expect(predicted).toHaveLength(6);
  for (const folder of ['checkpoint', 'delta', 'report']) expect(fs.existsSync(reader.at('out', folder))).toBe(true);
  const bytes = (folder: string) => fs.readFileSync(reader.at(folder, 'model.safetensors'));
  expect(bytes('base').equals(bytes('M'))).toBe(true);
  expect((await reader.bash('npx hifi doctor')).status).toBe(0);
  const { samples, data } = JSON.parse(fs.readFileSync(reader.at('analysis/heads.json'), 'utf8'));
  expect([samples, data.rows]).toEqual([300, 400]);
}, 600_000);

/** Smaller comparison on a small model; as written, the block takes hours. */
const FEWER: [RegExp, string][] = [
  [/--rows \d+/, '--rows 40'],
  [/--seeds \d+/, '--seeds 2'],
  [/--lrs \S+/, '--lrs 3e-3'],
];

test('a smaller comparison succeeds', async () => {
  const small = new Reader();
  try {
    small.link(`${checkout}/test/fixtures/tiny-bert`, 'M');
    writeCola(small, 120, 30);
    const blocks = comparing.map((block) => {
      for (const [flag] of FEWER) expect(block.body).toMatch(flag);
      return { ...block, body: FEWER.reduce((body, [flag, value]) => body.replace(flag, value), block.body) };
    });
    const [printed] = await small.run(README, blocks);
    const [, out] = /--out (\S+)/.exec(blocks[0].body) as RegExpExecArray;
    const { standings } = JSON.parse(fs.readFileSync(small.at(out, 'results.json'), 'utf8'));
    const [, strategies] = /--strategies (\S+)/.exec(blocks[0].body) as RegExpExecArray;
    const names = standings.map(({ contestant }: { contestant: string }) => contestant);
    expect(names.sort()).toEqual(strategies.split(',').sort());
    for (const name of names) expect(printed).toContain(name);
  } finally {
    small.remove();
  }
}, 600_000);

test('npm run demo prints the shown output', async () => {
  const demo = new Reader();
  try {
    // Runs the scripts of the checkout, with the demo's results in this folder.
    fs.rmSync(demo.at('package.json'));
    for (const name of ['package.json', 'infra', 'dist']) demo.link(`${checkout}/${name}`, name);
    const { status, printed } = await demo.bash('npm run demo');
    if (status !== 0) throw new Error(`status ${status}\n${printed.slice(-3000)}`);
    const [shown] = page.filter(({ body }) => body.startsWith('chosen heads'));
    const at = printed.lastIndexOf('chosen heads (');
    if (!shows(`${shown.body}…\n`, printed.slice(at))) expect(printed.slice(at)).toBe(shown.body);
    expect(fs.existsSync(demo.at('demo-out/heads/report.html'))).toBe(true);
  } finally {
    demo.remove();
  }
}, 1_200_000);
