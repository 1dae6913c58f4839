import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { GrpcClient } from '../../infra/grpc/client';
import { InferenceService } from '../../proto/gen/hifi/v1/inference_pb';
import { FIXTURES, temporaryFolder } from '../support/deltas';
import { asConll, entityRows } from '../support/entity-rows';
import { endServices, Service } from '../support/services';
import { until } from '../support/until';

const hifiFile = path.join(__dirname, '../../cli/hifi.ts');
const scratch = temporaryFolder('cli-gateway');
const token = path.join(scratch, 'token');
let service: Service;
let gateway: string[];

beforeAll(async () => {
  fs.writeFileSync(token, 'infer weak-token\na-token\n');
  fs.writeFileSync(path.join(scratch, 'infer'), 'infer weak-token\n');
  const ports = ['--gateway-port', '0', '--analyzer-port', '0', '--trainer-port', '0'];
  const state = path.join(scratch, 'state');
  service = await Service.start([
    'all',
    '--state-dir',
    state,
    '--data-root',
    FIXTURES,
    '--token-file',
    token,
    ...ports,
  ]);
  gateway = ['--gateway', `127.0.0.1:${service.ports.gateway}`, '--token-file', token];
});
afterAll(async () => {
  await endServices();
  fs.rmSync(scratch, { recursive: true, force: true });
});

/** Runs the command asynchronously, because the services run in this process. */
function hifi(...words: string[]): Promise<{ status: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [hifiFile, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) child[name].on('data', (text) => (output[name] += text));
    child.once('close', (status) => resolve({ status, ...output }));
  });
}

const data = (name: string) => path.join(FIXTURES, 'tiny-data', name);
const RUN = [
  ...['run', '--model', path.join(FIXTURES, 'tiny-bert'), '--train', data('train.tsv'), '--dev', data('dev.tsv')],
  ...['--text-columns', 'sentence', '--label-column', 'label', '--epochs', '2', '--batch-size', '8', '--k', '1'],
];

test('a run at a gateway leaves the same results as a local run', async () => {
  const [there, here] = [path.join(scratch, 'there'), path.join(scratch, 'here')];
  const served = await hifi(...RUN, ...gateway, '--out', there, '--export', 'checkpoint,peft', '--json');
  expect(served.stderr).toMatch(/job \w+[\s\S]*training[\s\S]*epoch 2/);
  expect(served.status).toBe(0);
  const result = JSON.parse(served.stdout);
  expect(result).toMatchObject({ jobId: expect.stringMatching(/^\w{20,}$/), metrics: { metric: 'accuracy' } });

  const beyond = await hifi('jobs', 'watch', result.jobId, '--from', '4000', ...gateway);
  expect(beyond).toMatchObject({
    status: 2,
    stderr: expect.stringMatching(
      /^hifi: from_sequence is 4000; it must be 1 to \d+: job \w+ has ended with event \d+\n$/,
    ),
  });

  expect((await hifi(...RUN, '--out', here, '--export', 'checkpoint,peft')).status).toBe(0);
  const list = (folder: string) =>
    (fs.readdirSync(folder, { recursive: true }) as string[]).filter((name) => !name.startsWith('state')).sort();
  expect(list(there)).toEqual(list(here));
  for (const name of ['mask.json', 'delta/delta.safetensors', 'delta/delta.json', 'checkpoint/model.safetensors']) {
    expect([
      name,
      Buffer.compare(fs.readFileSync(path.join(there, name)), fs.readFileSync(path.join(here, name))),
    ]).toEqual([name, 0]);
  }

  // The report is the same, except for local paths of the model and the rows, which the gateway
  // does not know.
  const page = (folder: string) => fs.readFileSync(path.join(folder, 'report.html'), 'utf8');
  const code = (folder: string) =>
    [...page(folder).matchAll(/<pre [^>]*>([^<]*)<\/pre>/g)].map(([, text]) =>
      text
        .replaceAll(`${FIXTURES}/`, '')
        .replaceAll('tiny-data/', '')
        .replaceAll(/ \\\n */g, ' '),
    );
  expect(code(there)).toEqual(code(here));
  expect(code(there).at(-1)).toContain('--text-columns sentence --label-column label');
  for (const folder of [FIXTURES, scratch]) expect(page(there)).not.toContain(folder);

  // A completed run does nothing again.
  const again = await hifi(...RUN, ...gateway, '--out', there, '--export', 'checkpoint,peft', '--resume', '--json');
  expect(again.status).toBe(0);
  expect(JSON.parse(again.stdout).jobId).toBe(result.jobId);

  const jobs = await hifi('jobs', 'list', ...gateway, '--json');
  expect(JSON.parse(jobs.stdout).jobs).toHaveLength(1);

  // Another option starts another job, and the record of a local job no longer lists its results.
  fs.copyFileSync(path.join(here, 'state', 'job.json'), path.join(there, 'state', 'job.json'));
  const ofAnother = path.join(there, 'checkpoint', 'merges.txt');
  fs.writeFileSync(ofAnother, 'a tokenizer of an earlier model\n');
  const other = await hifi(...RUN, ...gateway, '--lr', '2e-3', '--out', there, '--resume', '--json');
  expect([other.status, other.stderr]).toEqual([
    0,
    expect.stringContaining(
      `job ${result.jobId} was requested with other settings (training.lr was 0.001 and is 0.002)`,
    ),
  ]);
  expect(JSON.parse(other.stdout).jobId).not.toBe(result.jobId);
  expect(fs.existsSync(ofAnother)).toBe(false);
  const record = JSON.parse(fs.readFileSync(path.join(there, 'state', 'job.json'), 'utf8'));
  expect(Object.keys(record)).toEqual(['training']);
  const shown = await hifi('jobs', 'show', result.jobId, ...gateway, '--json');
  expect(JSON.parse(shown.stdout)).toMatchObject({ jobId: result.jobId, state: 'JOB_STATE_SUCCEEDED' });
  const watched = await hifi('jobs', 'watch', result.jobId, ...gateway);
  expect([watched.status, watched.stderr]).toEqual([0, expect.stringMatching(/queued[\s\S]*epoch 1[\s\S]*succeeded/)]);
  expect((await hifi('jobs', 'delete', result.jobId, ...gateway)).status).toBe(0);
  expect(await hifi('jobs', 'show', result.jobId, ...gateway)).toMatchObject({
    status: 3,
    stderr: expect.stringMatching(/^hifi: no job "\w+"\n$/),
  });
});

test('a dry run at a gateway estimates there, with the sizes of a local one, and starts no job', async () => {
  const jobs = async () => JSON.parse((await hifi('jobs', 'list', ...gateway, '--json')).stdout).jobs.length;
  const before = await jobs();
  const estimated = async (...more: string[]) => {
    const { status, stdout, stderr } = await hifi(...RUN, ...more, '--dry-run', '--json');
    expect({ status, stderr }).toEqual({ status: 0, stderr: expect.stringContaining('nothing was started') });
    const { seconds, peakMemoryBytes, ...sizes } = JSON.parse(stdout);
    expect(Object.keys(seconds)).toEqual(['analysis', 'training', 'evaluation', 'export', 'total']);
    return { peakMemoryBytes: peakMemoryBytes > 0, ...sizes };
  };
  expect(await estimated(...gateway)).toEqual(await estimated());
  expect(await jobs()).toBe(before);
  expect(await hifi(...RUN, ...gateway, '--dry-run', '--k', '6')).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('k is 6; it must be 1 to 5'),
  });
});

test('a delta is registered, promoted, rolled back and asked by its names', async () => {
  const registry = (...words: string[]) => hifi('registry', ...words, ...gateway, '--json');
  const printed = async (...words: string[]) => {
    const { status, stdout, stderr } = await registry(...words);
    if (status !== 0) throw new Error(stderr);
    return JSON.parse(stdout);
  };
  const json = (file: string) => JSON.parse(fs.readFileSync(path.join(scratch, 'here', file), 'utf8'));
  const [metrics, heads] = [json('metrics.json'), json('heads.json')];
  const first = await printed('add', 'tiny', path.join(scratch, 'here', 'delta'));
  expect(first).toMatchObject({
    ...{ name: 'tiny', version: 1, metric: 'accuracy', metricValue: metrics.best.value },
    ...{ base: { name: 'tiny-bert', sha256: heads.model.sha256 }, dataSha256: heads.data.sha256 },
  });
  // The delta of the job with another learning rate, away from its metrics.
  fs.cpSync(path.join(scratch, 'there', 'delta'), path.join(scratch, 'bare'), { recursive: true });
  const second = await printed('add', 'tiny', path.join(scratch, 'bare'));
  expect([second.version, second.metric, second.dataSha256]).toEqual([2, undefined, undefined]);
  const same = await registry('add', 'tiny', path.join(scratch, 'bare'));
  expect(same.stderr).toMatch(/^nothing was added: tiny:2 has the same files\n/m);
  expect(JSON.parse(same.stdout)).toEqual(second);
  expect(await printed('promote', 'tiny', '1', 'prod')).toMatchObject({ version: 1, aliases: ['prod'] });
  expect(await printed('promote', 'tiny', '2', 'prod')).toMatchObject({ version: 2, aliases: ['prod'] });
  const analyzer = new GrpcClient(`127.0.0.1:${service.ports.analyzer}`, { token: 'weak-token' });
  const rowsOf = async (model: string, texts: string[], ...references: string[]) => {
    const deltas = references.map((name) => ({ delta: { case: 'name' as const, value: name } }));
    const request = { model: path.join(FIXTURES, model), deltas, texts };
    const { results } = await analyzer.unary(InferenceService.method.classify, request);
    return results.map(({ rows }) => rows);
  };
  const classify = async (model: string, ...references: string[]) =>
    (await rowsOf(model, ['a text'], ...references)).map(([{ logits }]) => logits);
  try {
    // Rows at a running service: one version of the name answers for all.
    const rows = ['--model', path.join(FIXTURES, 'tiny-bert'), '--data', data('dev.tsv'), '--text-columns', 'sentence'];
    const at = ['--analyzer', `127.0.0.1:${service.ports.analyzer}`, '--token-file', path.join(scratch, 'infer')];
    const predicted = await hifi('predict', ...rows, '--delta', 'tiny@prod', ...at);
    expect(predicted.status).toBe(0);
    const lines = predicted.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const texts = fs.readFileSync(data('dev.tsv'), 'utf8').trimEnd().split('\n').slice(1);
    const [asked] = await rowsOf(
      'tiny-bert',
      texts.map((line) => line.split('\t')[0]),
      'tiny:2',
    );
    expect(lines).toEqual(asked.map(({ labels, logits }, row) => ({ row, label: labels[0].label, logits })));

    const [one, two, promoted] = await classify('tiny-bert', 'tiny:1', 'tiny', 'tiny@prod');
    expect(promoted).toEqual(two);
    expect(promoted).not.toEqual(one);
    expect(await printed('rollback', 'tiny', 'prod')).toMatchObject({ version: 1 });
    await until(
      () => classify('tiny-bert', 'tiny@prod'),
      ([logits]) => String(logits) === String(one),
      'the version before',
    );
    await expect(classify('one-head-bert', 'tiny@prod')).rejects.toThrow(
      new RegExp(`trained on tiny-bert \\(sha256 ${heads.model.sha256}\\), not on one-head-bert \\(sha256 \\w{64}\\)`),
    );
    await expect(classify('tiny-bert', 'tiny@staging')).rejects.toThrow('tiny has no alias staging; it has prod');
  } finally {
    analyzer.close();
  }
  const versions = [{ version: 2 }, { version: 1, aliases: ['prod'] }];
  const [listed, shown, refused] = await Promise.all([
    printed('list'),
    printed('show', 'tiny'),
    registry('remove', 'tiny:1'),
  ]);
  expect(listed.deltas).toMatchObject(versions);
  expect(shown).toMatchObject({ name: 'tiny', versions });
  expect([refused.status, refused.stderr]).toEqual([
    2,
    expect.stringMatching(/^hifi: tiny@prod points to version 1; /),
  ]);
  for (const reference of ['tiny@prod', 'tiny']) {
    expect(await printed('remove', reference)).toEqual({ removed: reference });
  }
  const gone = await registry('show', 'tiny');
  expect([gone.status, gone.stderr]).toEqual([3, 'hifi: no delta is registered as tiny\n']);
});

test('rows of a folder of files give the same delta at a gateway', async () => {
  const [header, ...lines] = fs.readFileSync(data('train.tsv'), 'utf8').trimEnd().split('\n');
  const rows = path.join(scratch, 'rows');
  fs.mkdirSync(rows);
  for (const [name, part] of Object.entries({ a: lines.slice(0, 23), b: lines.slice(23) })) {
    fs.writeFileSync(path.join(rows, `${name}.tsv`), `${[header, ...part].join('\n')}\n`);
  }
  const out = path.join(scratch, 'of-files');
  const words = RUN.map((word) => (word === data('train.tsv') ? rows : word));
  const served = await hifi(...words, ...gateway, '--out', out);
  expect([served.status, served.stderr]).toEqual([0, expect.stringContaining('epoch 2')]);
  const delta = (folder: string) => fs.readFileSync(path.join(scratch, folder, 'delta/delta.safetensors'));
  expect(Buffer.compare(delta('of-files'), delta('here'))).toBe(0);
});

test('tags of words in a CoNLL file and labels in columns go to a gateway', async () => {
  const write = (name: string, content: string) => {
    fs.writeFileSync(path.join(scratch, name), content);
    return path.join(scratch, name);
  };
  const columns = ['text\ta\tb', 'one\t1\t0', 'two\t0\t1', 'three\t1\t1', 'four\t0\t0'].join('\n');
  const [conll, tsv] = [write('rows.conll', asConll(entityRows(30, 0))), write('columns.tsv', columns)];
  const cases: [problem: string, words: string[], stored: object][] = [
    ['tokens', ['--train', conll, '--dev', conll], { problemType: 'token_classification' }],
    [
      'multi-label',
      ['--train', tsv, '--dev', tsv, '--text-columns', 'text', '--label-columns', 'a,b'],
      { problemType: 'multi_label_classification', id2label: { 0: 'a', 1: 'b' } },
    ],
  ];
  const served = cases.map(async ([problem, words, stored]) => {
    const out = path.join(scratch, problem);
    const schedule = ['--epochs', '1', '--k', '1', '--problem', problem];
    const ended = await hifi('run', ...RUN.slice(1, 3), ...words, ...schedule, ...gateway, '--out', out, '--json');
    expect([problem, ended.status, ended.stderr]).toEqual([problem, 0, expect.stringContaining('epoch 1')]);
    expect(JSON.parse(fs.readFileSync(path.join(out, 'delta/delta.json'), 'utf8'))).toMatchObject(stored);
    const { metric, best } = JSON.parse(ended.stdout).metrics;
    expect([metric, best.epoch]).toEqual([problem === 'tokens' ? 'f1' : 'f1_micro', 1]);
  });
  await Promise.all(served);
});

test('Ctrl-C cancels the job', async () => {
  const out = path.join(scratch, 'cancelled');
  const words = [...RUN, ...gateway, '--epochs', '5000', '--out', out];
  const child = spawn(process.execPath, [hifiFile, ...words], { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (text) => {
    const before = stderr;
    stderr += text;
    if (!/training/.test(before) && /training/.test(stderr)) child.kill('SIGINT');
  });
  const status = await new Promise((resolve) => child.once('close', resolve));
  expect([status, stderr.split('\n').filter((line) => line.startsWith('hifi:'))]).toEqual([130, ['hifi: cancelled']]);
  const { jobs } = JSON.parse((await hifi('jobs', 'list', ...gateway, '--json')).stdout);
  expect(jobs[0].state).toBe('JOB_STATE_CANCELLED');

  // A cancelled job does not resume: the same command starts another one.
  const again = await hifi(...RUN, ...gateway, '--out', out, '--resume', '--json');
  expect([again.status, again.stderr]).toEqual([
    0,
    expect.stringContaining(`note: job ${jobs[0].jobId} was cancelled; hifi starts another one`),
  ]);
  expect(JSON.parse(again.stdout).jobId).not.toBe(jobs[0].jobId);
  expect(fs.existsSync(path.join(out, 'metrics.json'))).toBe(true);
});

test.each<[what: string, words: () => string[], status: number, line: RegExp]>([
  ['no token', () => ['jobs', 'list', ...gateway.slice(0, 2)], 2, /no valid token/],
  [
    'a gateway that is not there',
    () => ['jobs', 'list', '--gateway', '127.0.0.1:1'],
    4,
    /127\.0\.0\.1:1 cannot be reached \(ECONNREFUSED\): hifi serve starts a gateway, --gateway names another/,
  ],
  [
    'an address that is none',
    () => ['jobs', 'list', '--gateway', 'here'],
    2,
    /--gateway is "here"; it must be HOST:PORT/,
  ],
  [
    'a delta that is not there',
    () => ['registry', 'add', 'tiny', path.join(scratch, 'nothing'), ...gateway],
    2,
    /nothing: no such folder/,
  ],
  ['a version that is none', () => ['registry', 'promote', 'tiny', 'x', 'prod', ...gateway], 2, /it must be a whole/],
  [
    'a token of too weak a role',
    () => ['jobs', 'list', ...gateway.slice(0, 2), '--token-file', path.join(scratch, 'infer')],
    2,
    /^hifi: hifi\.v1\.GatewayService\/ListJobs needs a token of the role run; this one has the role infer$/,
  ],
  [
    'a registered delta without a service',
    () => ['predict', '--model', 'm', '--delta', 'tiny@prod', '--data', data('dev.tsv'), '--task', 'cola'],
    2,
    /^hifi: tiny@prod: no such folder; for a registered delta give predict --analyzer$/,
  ],
  [
    'the port of another service',
    () => [
      ...['predict', '--model', 'm', '--data', data('dev.tsv'), '--task', 'cola'],
      ...['--analyzer', gateway[1], ...gateway.slice(2)],
    ],
    4,
    /^hifi: 127\.0\.0\.1:\d+ does not have the InferenceService: give the port of the service that has it; --verbose/,
  ],
  [
    'a flag of a local engine with a running service',
    () => [
      'predict',
      '--model',
      'm',
      '--data',
      data('dev.tsv'),
      '--task',
      'cola',
      '--analyzer',
      'a:1',
      '--stride',
      '1',
    ],
    2,
    /--stride excludes --analyzer: the service chooses how it computes/,
  ],
  [
    'bf16 for a service, which chooses how it computes',
    () => [
      ...['predict', '--model', 'm', '--data', data('dev.tsv'), '--task', 'cola'],
      ...['--analyzer', 'a:1', '--precision', 'bf16'],
    ],
    2,
    /--precision excludes --analyzer: the service chooses how it computes/,
  ],
  [
    'a token file with a wrong line',
    () => ['serve', 'analyzer', '--token-file', data('dev.tsv'), '--state-dir', path.join(scratch, 'y')],
    2,
    /line 1 has characters that no token may have; all must be printable ASCII/,
  ],
  [
    'tokens to infer alone for services that call each other',
    () => ['serve', 'all', '--token-file', path.join(scratch, 'infer'), '--state-dir', path.join(scratch, 'y')],
    2,
    /has the role infer alone; services call each other with a token of run or admin/,
  ],
  ['a state that is none', () => ['jobs', 'list', ...gateway, '--state', 'asleep'], 2, /it must be queued, /],
  [
    'a model that the services do not know',
    () => [...RUN.with(2, '/nowhere'), ...gateway, '--out', path.join(scratch, 'x')],
    2,
    /data roots/,
  ],
  [
    'a service that is none',
    () => ['serve', 'everything'],
    2,
    /the service is "everything"; it must be all, gateway, analyzer, trainer/,
  ],
  [
    'an open bind',
    () => ['serve', 'all', '--host', '0.0.0.0', '--state-dir', path.join(scratch, 'y')],
    2,
    /open to other machines/,
  ],
  ['half a certificate', () => ['serve', 'all', '--tls-cert', token], 2, /--tls-cert needs --tls-key/],
  [
    'a state directory in use',
    () => ['serve', 'gateway', '--gateway-port', '0', '--state-dir', path.join(scratch, 'state')],
    2,
    /in use by process/,
  ],
])('%s: one line', async (_, words, status, line) => {
  const ended = await hifi(...words());
  const lines = ended.stderr.split('\n').filter((each) => each !== '' && !each.startsWith('{'));
  expect([ended.status, lines]).toEqual([status, [expect.stringMatching(/^hifi: /)]]);
  expect(lines[0]).toMatch(line);
  expect(fs.existsSync(path.join(scratch, 'x'))).toBe(false);
});

test('no line of the services contains the token', () => {
  expect(service.log).not.toMatch(/a-token|weak-token/);
});
