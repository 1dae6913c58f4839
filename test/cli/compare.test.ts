import * as fs from 'node:fs';
import * as path from 'node:path';
import { mcnemar } from '../../compare/mcnemar';
import type { RunRecord } from '../../compare/run-record';
import type { ComparisonResults } from '../../compare/summary';
import type { RowAnswers } from '../../delta/inference-options';
import { temporaryFolder } from '../support/deltas';
import { asConll, entityRows } from '../support/entity-rows';
import { fixtures, hifi, startHifi } from './spawn';

const scratch = temporaryFolder('compare');
afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }));
const at = (...parts: string[]) => path.join(scratch, ...parts);

const train = path.join(fixtures, 'tiny-data/train.tsv');
const dev = path.join(fixtures, 'tiny-data/dev.tsv');
const columns = ['--text-columns', 'sentence', '--label-column', 'label'];
const model = ['--model', path.join(fixtures, 'tiny-bert')];
const schedule = ['--epochs', '2', '--batch-size', '8', '--lrs', '1e-3,4e-3', '--k', '2'];
const rows = ['--rows', '20', '--dev-rows', '12'];
const words = (out: string, ...more: string[]) => [
  'compare',
  ...model,
  ...['--train', train, '--test', dev],
  ...columns,
  ...rows,
  ...schedule,
  ...['--strategies', 'grad-l1,random', '--seeds', '2'],
  ...['--out', out],
  ...more,
];

const read = <T>(...parts: string[]): T => JSON.parse(fs.readFileSync(at(...parts), 'utf8'));
const runsOf = (out: string) => fs.readdirSync(at(out, 'runs')).sort();
const numbersOf = ({ settings, standings, ...rest }: ComparisonResults) => ({
  ...rest,
  standings: standings.map(({ seconds: _, ...standing }) => standing),
});

test('a comparison writes a table and files', () => {
  const { status, stdout, stderr } = hifi(...words(at('whole')), '--json');
  expect({ status, stderr }).toEqual({ status: 0, stderr: expect.stringContaining('P(> random)') });
  const results = JSON.parse(stdout) as ComparisonResults;
  expect(results).toEqual(read('whole', 'results.json'));
  expect(fs.readdirSync(at('whole')).sort()).toEqual([
    'predictions',
    'report.html',
    'results-seconds.svg',
    'results.csv',
    'results.json',
    'results.md',
    'results.svg',
    'runs',
    'settings.json',
    'state',
  ]);
  // Two learning rates on the first seed, the better one on the second. 28 of the 60 rows remain,
  // and the other file has 40.
  expect(runsOf('whole')).toHaveLength(6);
  expect(results).toMatchObject({
    seeds: [0, 1],
    rows: { train: 20, dev: 12, test: 68 },
    metric: 'accuracy',
    reference: 'random',
  });
  const standing = results.standings.find(({ contestant }) => contestant === 'grad-l1')!;
  expect(standing).toMatchObject({ trainableParameters: 4932, taskHeadParameters: 2162 });
  expect(standing.score.value).toBeCloseTo((standing.values[0] + standing.values[1]) / 2, 12);
  expect(standing.difference!.interval!.low).toBeLessThanOrEqual(standing.difference!.value);
  expect(fs.readdirSync(at('whole', 'state', 'trained'))).toEqual([]);
  expect(fs.readdirSync(at('whole', 'state', 'seed-0'))).not.toContain('prefixes');

  // The later seed has the learning rate that was best on the first seed's dev rows, the first one
  // if equal.
  for (const { contestant, lr, values } of results.standings) {
    const search = [0.001, 0.004].map((rate) => read<RunRecord>('whole', 'runs', `${contestant}-seed0-lr${rate}.json`));
    const best = search[1].dev!.value > search[0].dev!.value ? search[1] : search[0];
    expect(lr).toBe(best.lr);
    expect(search.map(({ test }) => test !== null)).toEqual(search.map((record) => record === best));
    expect(values[0]).toBe(best.test!.metrics.accuracy);
    const later = read<RunRecord>('whole', 'runs', `${contestant}-seed1-lr${lr}.json`);
    // 6 of the later seed's 28 rows chose the learning rate, so they are in no test.
    expect(later).toMatchObject({ seed: 1, lr, test: { rows: 62 }, rows: { train: 20, dev: 12 } });
  }

  // Every tested run has an answer for each test row, and the pair is compared on both seeds.
  const answersOf = (contestant: string, seed: number, lr: number | null) =>
    read<RowAnswers>('whole', 'predictions', `${contestant}-seed${seed}-lr${lr}.json`);
  const [first, second] = results.standings.map(({ contestant, lr, values }) =>
    [0, 1].map((seed) => {
      const { predicted, right } = answersOf(contestant, seed, lr);
      expect(predicted).toHaveLength(seed === 0 ? 68 : 62);
      expect([...right!].filter((digit) => digit === '1').length / predicted.length).toBeCloseTo(values[seed], 12);
      return right!;
    }),
  );
  expect(fs.readdirSync(at('whole', 'predictions'))).toHaveLength(4);
  expect(results.answers).toEqual([
    {
      ...{ first: results.standings[0].contestant, second: results.standings[1].contestant },
      seeds: [0, 1].map((seed) => ({ seed, ...mcnemar(first[seed], second[seed]) })),
    },
  ]);

  // `random` draws other heads with another seed.
  const masks = runsOf('whole').flatMap((name) => {
    const { contestant, test, heads } = read<RunRecord>('whole', 'runs', name);
    return contestant === 'random' && test ? [JSON.stringify(heads)] : [];
  });
  expect(new Set(masks).size).toBe(2);
});

test('a killed comparison resumes with the same result, and repeats no run', async () => {
  const results = read<ComparisonResults>('whole', 'results.json');
  let second: ReturnType<typeof hifi> | undefined;
  const killed = await startHifi(words(at('interrupted')), (stderr, child) => {
    if (stderr.includes('run 1/6')) second ??= hifi(...words(at('interrupted')));
    if (stderr.includes('run 3/6')) child.kill('SIGKILL');
  });
  expect(killed.signal).toBe('SIGKILL');
  expect(second).toMatchObject({
    status: 2,
    stderr: expect.stringMatching(/hifi: --out \S+ is in use by process \d+: .*another --out\n$/),
  });
  const before = runsOf('interrupted').filter((name) => read<RunRecord>('interrupted', 'runs', name).seed === 0);
  expect(before.length).toBeGreaterThanOrEqual(3);
  const written = (names: string[]) => names.map((name) => fs.statSync(at('interrupted', 'runs', name)).mtimeMs);
  const done = before.filter((name) => name.startsWith('grad-l1'));
  const times = written(done);
  const again = hifi(...words(at('interrupted')), '--json');
  expect(again.status).toBe(0);
  expect(again.stderr).toMatch(/run 1\/6 {2}grad-l1, seed 0, learning rate 0.001: .*stored/);
  expect(written(done)).toEqual(times);
  expect(numbersOf(JSON.parse(again.stdout))).toEqual(numbersOf(results));

  // A complete comparison runs nothing again.
  const all = written(runsOf('interrupted'));
  const third = hifi(...words(at('interrupted')), '--json');
  expect(third.stderr.match(/, stored|: stored/g)).toHaveLength(6);
  expect(written(runsOf('interrupted'))).toEqual(all);
});

test('more seeds and methods go into the same folder; other settings do not', () => {
  const more = hifi(...words(at('whole')), '--strategies', 'random,none,full,logistic', '--seeds', '0,1,5', '--json');
  expect(more.status).toBe(0);
  const wider = JSON.parse(more.stdout) as ComparisonResults;
  expect(wider.standings.map(({ contestant }) => contestant).sort()).toEqual(['full', 'logistic', 'none', 'random']);
  expect(wider.standings.map(({ values }) => values.length)).toEqual([3, 3, 3, 3]);
  const none = wider.standings.find(({ contestant }) => contestant === 'none')!;
  expect(none).toMatchObject({ trainableParameters: 0, taskHeadParameters: 2162, share: 0 });
  // All parameters except the keys' biases, which have no gradient, and the pooler, which belongs
  // to the task head.
  const full = wider.standings.find(({ contestant }) => contestant === 'full')!;
  const { totalParameters } = read<RunRecord>('whole', 'runs', `full-seed5-lr${full.lr}.json`);
  expect(full).toMatchObject({ trainableParameters: totalParameters - 2 * 45 - 46 * 45, taskHeadParameters: 2162 });
  const logistic = wider.standings.find(({ contestant }) => contestant === 'logistic')!;
  expect(logistic).toMatchObject({ lr: null, trainableParameters: 0, taskHeadParameters: 2 * 46 });
  const other = hifi(...words(at('whole')), '--epochs', '3');
  expect({ status: other.status, stderr: other.stderr.trimEnd().split('\n').at(-1) }).toEqual({
    status: 2,
    stderr: `hifi: --out ${at('whole')} is a comparison with other settings: training.epochs was 2 and is 3; give another --out`,
  });
});

test('a budget halves the candidates and uses stored runs; the same command continues', () => {
  const short = hifi(...words(at('whole')), '--minutes', '0.01');
  expect(short.status).toBe(0); // the runs of the first test are stored
  const none = JSON.parse(fs.readFileSync(at('whole', 'results.json'), 'utf8')) as ComparisonResults;
  expect(none.budget).toMatchObject({ minutes: 0.01, rungs: [{ epochs: 1, kept: [], dropped: [] }] });
  const [{ noTime, notReached }] = none.budget!.rungs;
  expect([noTime, notReached.length]).toEqual([[], 4]);

  const { status, stdout, stderr } = hifi(...words(at('whole')), '--minutes', '30', '--json');
  expect({ status, stderr }).toEqual({ status: 0, stderr: expect.stringContaining('rung of 1 epoch: kept') });
  expect(stderr).toMatch(/^run 1 {2}grad-l1, seed 0, learning rate 0\.001, 1 of 2 epochs: dev accuracy /m);
  expect(stderr).toMatch(/^rung of 1 epoch: \d kept, \d dropped, 0 without time for a whole run, 0 not reached$/m);
  const { budget, standings, seeds } = JSON.parse(stdout) as ComparisonResults;
  expect(budget!.notReached).toEqual([]);
  const [rung] = budget!.rungs;
  expect([budget!.rungs.length, rung.notReached]).toEqual([1, []]);
  expect(rung.kept.length + rung.dropped.length).toBe(4);
  expect(rung.kept.some(({ contestant }) => contestant === 'random')).toBe(true);
  for (const { contestant, lr, dev } of [...rung.kept, ...rung.dropped]) {
    const run = read<RunRecord>('whole', 'rungs', '1-epochs', 'runs', `${contestant}-seed0-lr${lr}.json`);
    expect(run.dev).toEqual({ value: dev, epoch: 1 });
  }
  expect(standings.map(({ contestant }) => contestant).sort()).toEqual(
    [...new Set(rung.kept.map(({ contestant }) => contestant))].sort(),
  );
  for (const { values } of standings) expect(values).toHaveLength(seeds.length);
  expect(fs.readdirSync(at('whole', 'rungs', '1-epochs', 'state', 'trained'))).toEqual([]);
  const again = hifi(...words(at('whole')), '--minutes', '30');
  expect(again.stderr.match(/run \d+ .*(, stored|: stored)/g)).toHaveLength(again.stderr.match(/^run \d/gm)!.length);

  // Without a whole run there is no result.
  const over = hifi(...words(at('over')), '--minutes', '0.01');
  expect([over.status, over.stderr.trimEnd().split('\n').at(-1)]).toEqual([
    4,
    expect.stringMatching(/^hifi: --minutes 0\.01 is over before any method has trained .* 0 shorter runs are kept;/),
  ]);
  expect(fs.existsSync(at('over', 'settings.json'))).toBe(true);
});

test('a task has its own metric; rows per class are balanced; Ctrl-C keeps finished runs', async () => {
  const sentences = fs.readFileSync(train, 'utf8').trimEnd().split('\n').slice(1);
  const cola = sentences.map((line) => line.split('\t')).map(([text, label]) => `x\t${label}\t\t${text}\n`);
  fs.writeFileSync(at('cola.tsv'), cola.join(''));
  const command = [
    'compare',
    ...model,
    ...['--train', at('cola.tsv'), '--task', 'cola', '--rows-per-class', '4', '--epochs', '1', '--k', '1'],
    ...['--strategies', 'none,logistic,hifi-literal,lora,bitfit,setfit', '--seeds', '1', '--out', at('cola')],
  ];
  let sent = false;
  const interrupted = await startHifi(command, (stderr, child) => {
    if (sent || !stderr.includes('run 1/6')) return;
    sent = true; // a second one would end it at once
    child.kill('SIGINT');
  });
  expect(interrupted).toMatchObject({ status: 130, stderr: expect.stringMatching(/hifi: cancelled\n$/) });
  expect(runsOf('cola')).toContain('none-seed0-lr0.001.json');
  const { status, stdout } = hifi(...command, '--json');
  expect(status).toBe(0);
  const results = JSON.parse(stdout) as ComparisonResults;
  expect(results).toMatchObject({ metric: 'matthews', rows: { train: 8, dev: 8, test: 44 }, reference: 'none' });
  expect(results.standings.every(({ score }) => score.interval === null)).toBe(true);
  const run = (name: string) => read<RunRecord>('cola', 'runs', `${name}-seed0-lr0.001.json`);
  expect(run('hifi-literal').heads).toHaveLength(2);
  // r = 8 for queries and values of two layers; 15 biases of 45 or 70 without the keys'.
  const [lora, bitfit] = [4 * 8 * (45 + 45), 45 + 2 * (6 * 45 + 70)];
  expect(run('lora')).toMatchObject({ heads: [], trainableParameters: lora, taskHeadParameters: 2162 });
  expect(run('bitfit')).toMatchObject({ heads: [], trainableParameters: bitfit, taskHeadParameters: 2162 });
  // `setfit` trains what `full` does, but no pooler, and fits a regression on the embeddings.
  const setfit = run('setfit');
  expect(setfit).toMatchObject({ heads: [], dev: { epoch: null }, test: { rows: 44 }, taskHeadParameters: 2 * 46 });
  expect(setfit.trainableParameters).toBe(setfit.totalParameters - 2 * 45 - 46 * 45);
  expect(read<RowAnswers>('cola', 'predictions', 'setfit-seed0-lr0.001.json').predicted).toHaveLength(44);
  expect(fs.readdirSync(at('cola', 'state', 'trained'))).toEqual([]);
});

test('methods tune parts of their own', () => {
  const rest = words(at('parts')).filter((word, i, all) => word !== '--k' && all[i - 1] !== '--k');
  const once = ['--epochs', '1', '--lrs', '1e-3', '--seeds', '1'];
  const heads = hifi(...rest, ...once, '--strategies', 'random,random:ov');
  expect(heads).toMatchObject({ status: 0, stderr: expect.stringContaining(', k = 3, ') });
  const { status, stdout, stderr } = hifi(
    ...rest,
    ...once,
    '--strategies',
    'random,random:ov,gradient:neurons',
    '--json',
  );
  expect({ status, stderr }).toEqual({ status: 0, stderr: expect.stringContaining('3 heads, or as many neurons') });
  expect(stderr.match(/^run \d\/3 .*stored$/gm)).toHaveLength(2);
  const { standings } = JSON.parse(stdout) as ComparisonResults;
  const tuned = (name: string) => standings.find(({ contestant }) => contestant === name)!.trainableParameters;
  // Of a head: rows of queries, keys and values with biases; rows of values and columns of outputs.
  const [qkv, vo, neuron] = [3 * 9 * 45 + 2 * 9, 2 * 9 * 45 + 9, 2 * 45 + 1];
  expect(tuned('random')).toBe(2 * 3 * qkv);
  expect(tuned('random:vo')).toBe(2 * 3 * vo);
  expect(tuned('gradient:neurons')).toBe(2 * neuron * Math.floor((3 * qkv) / neuron));
  expect(runsOf('parts')).toContain('random.vo-seed0-lr0.001.json');
});

test('tags of words are compared by F1 of entities; logistic regression has no place there', () => {
  fs.writeFileSync(at('rows.conll'), asConll(entityRows(60, 0)));
  const command = [
    'compare',
    ...model,
    ...['--train', at('rows.conll'), '--problem', 'tokens', '--rows', '24', '--dev-rows', '12'],
    ...['--epochs', '1', '--k', '1', '--seeds', '1', '--out', at('tokens')],
  ];
  const { status, stdout } = hifi(...command, '--strategies', 'grad-l1,none', '--json');
  expect(status).toBe(0);
  const { metric, rows: counts, standings } = JSON.parse(stdout) as ComparisonResults;
  expect({ metric, counts }).toEqual({ metric: 'f1', counts: { train: 24, dev: 12, test: 24 } });
  // 9 tags with 45 weights and a bias each.
  expect(standings.map(({ taskHeadParameters }) => taskHeadParameters)).toEqual([9 * 46, 9 * 46]);
  // The same trainings, but the words of the test behind 8 tokens are cut or read in windows.
  const answers = ['cut', 'windows'].map((longTexts) => {
    const out = ['--out', at(longTexts), '--max-length', '8', '--stride', '2', '--long-texts', longTexts];
    expect(hifi(...command, ...out, '--strategies', 'none').status).toBe(0);
    return read<RowAnswers>(longTexts, 'predictions', 'none-seed0-lr0.001.json').predicted;
  });
  expect(answers[1]).not.toEqual(answers[0]);
  const refused = hifi(...command, '--strategies', 'logistic,none');
  expect([refused.status, refused.stderr.trimEnd().split('\n').at(-1)]).toEqual([
    2,
    expect.stringMatching(/^hifi: logistic needs classes, and each word has a label: remove it from --strategies$/),
  ]);
});

test('a method that fails at every learning rate is excluded, and the page says so', () => {
  const command = words(at('broken')).map((word) => (word === '1e-3,4e-3' ? '1e30' : word));
  const { status, stdout } = hifi(...command, '--strategies', 'random,logistic', '--reference', 'logistic', '--json');
  expect(status).toBe(0);
  const { standings, failed } = JSON.parse(stdout) as ComparisonResults;
  expect(standings.map(({ contestant }) => contestant)).toEqual(['logistic']);
  expect(failed).toEqual([{ contestant: 'random', seed: 0, failure: expect.stringContaining('the loss is NaN') }]);
  expect(runsOf('broken')).toEqual(['logistic-seed0.json', 'logistic-seed1.json', 'random-seed0-lr1e+30.json']);
  const page = fs.readFileSync(at('broken', 'report.html'), 'utf8').replaceAll(/ \\\n */g, ' ');
  expect(page).toContain('random is excluded: it failed on seed 0 (');
  expect(page).toContain('--strategies logistic,random --seeds 2 --reference logistic --rows 20 --dev-rows 12');

  expect(fs.readdirSync(at('broken', 'state', 'trained'))).toEqual([]);

  const lost = hifi(...command, '--strategies', 'random,logistic');
  expect({ status: lost.status, line: lost.stderr.trimEnd().split('\n').at(-1) }).toEqual({
    status: 4,
    line: expect.stringMatching(
      /^hifi: the training of random, the reference, failed on seed 0: .*give another --reference/,
    ),
  });
});

test('a failure of another kind than a diverged training ends the comparison, and the next one tries again', () => {
  const command = words(at('hurt')).map((word) => (word === '1e-3,4e-3' ? '1e-3' : word));
  expect(hifi(...command, '--strategies', 'none', '--seeds', '1').status).toBe(0);
  const state = at('hurt', 'state', 'trained', 'random-seed0-lr0.001', 'state');
  fs.mkdirSync(path.join(state, 'training.safetensors'), { recursive: true }); // a folder at the checkpoint's path
  const failed = hifi(...command, '--strategies', 'none,random', '--seeds', '1');
  expect({ status: failed.status, line: failed.stderr.trimEnd().split('\n').at(-1) }).toEqual({
    status: expect.any(Number),
    line: expect.stringMatching(/^hifi: .*training\.safetensors/),
  });
  expect(failed.status).not.toBe(0);
  expect(runsOf('hurt')).toEqual(['none-seed0-lr0.001.json']);
  fs.rmSync(state, { recursive: true });
  expect(hifi(...command, '--strategies', 'none,random', '--seeds', '1').status).toBe(0);
  expect(runsOf('hurt')).toEqual(['none-seed0-lr0.001.json', 'random-seed0-lr0.001.json']);
});

test.each([
  [['--strategies', 'hifi,randm'], /--strategies is "randm"; it must be .*did you mean "random"\?$/],
  [
    ['--strategies', 'random:vo,random:ov'],
    /--strategies is "random:vo,random:ov"; it must be different names; "random:vo" is named twice$/,
  ],
  [
    ['--strategies', 'random:w'],
    /--strategies is "random:w"; it must be METHOD:PARTS; METHOD chooses .* letters of qkvo/,
  ],
  [['--strategies', 'lora:vo'], /--strategies is "lora:vo"; it must be METHOD:PARTS; METHOD chooses heads or neurons/],
  [
    ['--strategies', 'hifi:neurons', '--tune', 'neurons'],
    /strategy is "hifi"; it must be one of gradient, .* neurons$/,
  ],
  [
    ['--strategies', 'random,random:neurons'],
    /--k 2 would count heads of some methods and neurons of others; leave it/,
  ],
  [['--strategies', 'hifi,hifi'], /--strategies is "hifi,hifi"; it must be different names; "hifi" is named twice$/],
  [['--rows-per-class', '8'], /--rows 20 and --rows-per-class 8 are given; give one of them$/],
  [['--budget', '0.1'], /--k 2 and --budget 0\.1 are given; give one of them$/],
  [['--lrs', '1e-3,0'], /--lrs is "0"; it must be numbers above 0 with commas between, none twice$/],
  [['--seeds', '1,1'], /--seeds is "1,1"; it must be a whole number from 1, or seeds .* none twice$/],
  [['--reference', 'bottom'], /--reference is "bottom"; it must be grad-l1, random$/],
  [['--train', '-', '--test', '-', '--format', 'tsv'], /--train and --test are both -: standard input is one file$/],
  [['--rows', '55'], /--rows is 55, and 12 more are needed as dev rows; the training file has 60 rows$/],
  [['--k', '6'], /k is 6; it must be 1 to 5: a layer of this model has 5 heads$/],
  [['--regression', '--strategies', 'logistic'], /logistic needs classes, .* remove it from --strategies$/],
  [['--regression', '--strategies', 'setfit'], /setfit needs classes, and the labels are numbers: remove it/],
  [['--minutes', '0'], /--minutes is "0"; it must be a number above 0$/],
  [['--minutes', '5', '--gateway', '127.0.0.1:1'], /--minutes 5 and --gateway are given; a budget is for runs here/],
  [['--regression', '--strategies', 'contrast'], /contrast needs classes, and the labels are numbers: remove it/],
  [['--test', path.join(fixtures, 'tiny-data/pairs.tsv')], /no column "sentence" in the header/],
])('%j ends with 2 and one line, and writes nothing', (change, line) => {
  const { status, stdout, stderr } = hifi(...words(at('never')), ...change);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr.trimEnd().split('\n').at(-1)).toMatch(line);
  expect(fs.existsSync(at('never'))).toBe(false);
});

test('the methods must be given; a folder of another command is not touched', () => {
  const command = words(at('never')).filter((word) => word !== '--strategies' && word !== 'grad-l1,random');
  expect(hifi(...command)).toMatchObject({
    status: 2,
    stderr: 'hifi: --strategies is missing; give the methods to compare: --strategies a,b,…\n',
  });
  fs.mkdirSync(at('mine'));
  fs.writeFileSync(at('mine', 'thesis.txt'), 'x');
  const { status, stderr } = hifi(...words(at('mine')));
  expect(status).toBe(2);
  expect(stderr).toContain(`--out ${at('mine')} is not empty (it holds thesis.txt): give a new folder`);
  expect(fs.readdirSync(at('mine'))).toEqual(['thesis.txt']);
});
