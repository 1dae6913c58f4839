import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { create, type DescMessage, type DescMethodServerStreaming, type MessageInitShape } from '@bufbuild/protobuf';
import { Client, credentials } from '@grpc/grpc-js';
import { connect } from '@nats-io/transport-node';
import { subjectsOf } from '../../gateway/nats-events';
import { methodDefinition } from '../../infra/grpc/definition';
import { AnalyzerService } from '../../proto/gen/hifi/v1/analyzer_pb';
import { GatewayService } from '../../proto/gen/hifi/v1/gateway_pb';
import { grpcurl } from '../support/grpcurl';
import { type Jaeger, startJaeger } from '../support/jaeger';
import { type NatsServer, startNats } from '../support/nats';
import { freePorts } from '../support/ports';
import { findTool, hasTool } from '../support/tools';
import { until } from '../support/until';
import { type Block, outputsIn, scriptOf } from './page';
import { bash as bashIn, checkout, differences, pageOf, pythonWith } from './reader';

/*
 * Runs docs/clients.md like a reader: all shell blocks in order and as written, in a folder with
 * the package, against services on MiniLM. Only the ports differ, through the page's variables.
 */
const page = pageOf('docs/clients.md');
const serveAt = page.findIndex(({ kind }) => kind === 'sh serve');
const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-clients-')));
const env: NodeJS.ProcessEnv = { ...process.env };
let [gateway, analyzer] = ['', ''];
let nats: NatsServer;
let jaeger: Jaeger | undefined;
let services: ChildProcess;
let log = '';

const bash = (script: string, cwd: string, more: NodeJS.ProcessEnv = {}) => bashIn(script, cwd, { ...env, ...more });

/** Runs blocks and returns their outputs. @throws Error with the output of a failed block */
async function run(blocks: readonly Block[]): Promise<string[]> {
  const { status, printed } = await bash(scriptOf(blocks), folder);
  const outputs = outputsIn(printed);
  if (status === 0) return outputs;
  throw new Error(
    `line ${blocks[Math.min(outputs.length, blocks.length) - 1]?.line}: status ${status}\n${printed.slice(-2000)}\n${log}`,
  );
}

beforeAll(async () => {
  for (const name of ['jq', 'openssl', 'curl']) findTool(name);
  const bin = path.join(folder, 'node_modules/.bin');
  fs.mkdirSync(bin, { recursive: true });
  fs.writeFileSync(path.join(folder, 'package.json'), '{}');
  const entry = path.join(checkout, 'cli/hifi.ts');
  fs.writeFileSync(path.join(bin, 'hifi'), `#!/bin/sh\nexec '${process.execPath}' '${entry}' "$@"\n`, { mode: 0o755 });

  nats = await startNats({ jetstream: true });
  if (hasTool('jaeger-all-in-one')) jaeger = await startJaeger();
  else console.info('no jaeger-all-in-one on PATH: the page is not checked for traces');
  const ports = await freePorts(7);
  const address = ports.map((port) => `127.0.0.1:${port}`);
  [gateway, analyzer] = address;
  env.PATH = [path.dirname(findTool('grpcurl')), env.PATH].join(path.delimiter);
  Object.assign(env, { GATEWAY: gateway, ANALYZER: analyzer, TRAINER: address[2], TLS_PORT: String(ports[3]) });
  Object.assign(env, { HTTP: address[4], ROLES_PORT: String(ports[5]), ROLES_HTTP: address[6] });
  Object.assign(env, { NATS_URL: nats.url, JAEGER: jaeger?.query, npm_config_update_notifier: 'false' });

  await run(page.slice(0, serveAt).filter(({ kind }) => kind === 'sh'));
  const [, words] = /npx hifi (serve .*)\n$/.exec(page[serveAt].body) as RegExpExecArray;
  const at = ['gateway', 'analyzer', 'trainer'].flatMap((name, i) => [`--${name}-port`, String(ports[i])]);
  services = spawn(process.execPath, [entry, ...words.split(' '), ...at, '--http', String(ports[4])], {
    cwd: folder,
    env: { ...env, ...(jaeger && { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${jaeger.otlp}/v1/traces` }) },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  services.stderr?.setEncoding('utf8').on('data', (text) => {
    log = (log + text).slice(-4000);
  });
  await until(
    () => ({ log, ended: services.exitCode }),
    ({ log }) => log.includes(`gateway on ${gateway}`),
    'the services',
    60_000,
  );
});

afterAll(async () => {
  const ended = new Promise((resolve) => services.once('close', resolve));
  if (services?.kill('SIGTERM')) await ended;
  await jaeger?.stop();
  await nats?.stop();
  fs.rmSync(folder, { recursive: true });
});

test('all commands of docs/clients.md succeed and print the shown output', async () => {
  const kinds = ['sh', ...(jaeger ? ['sh jaeger'] : [])];
  const blocks = page.filter(({ kind }, i) => i > serveAt && kinds.includes(kind));
  const outputs = await run(blocks);
  expect(outputs).toHaveLength(blocks.length);
  expect(differences('docs/clients.md', page, blocks, outputs)).toBe('');
}, 240_000);

test('all commands of docs/follow.md succeed with the same services', async () => {
  const name = 'docs/follow.md';
  const follow = pageOf(name);
  // The servers already run, on other ports.
  const servers = ['sh nats', 'sh jaeger server', 'sh serve'];
  const known = [...servers, 'sh', 'sh jaeger', 'text'];
  expect(follow.filter(({ kind }) => !known.includes(kind))).toEqual([]);
  const rows = pageOf('docs/own-data.md').filter(({ body }) => /^cat > \w+\.csv/.test(body));
  const blocks = follow.filter(({ kind }) => kind === 'sh' || (jaeger && kind === 'sh jaeger'));
  const outputs = await run([...rows, ...blocks]);
  expect(differences(name, follow, blocks, outputs.slice(rows.length))).toBe('');
}, 300_000);

test('all commands of docs/serving.md succeed with the same services', async () => {
  const name = 'docs/serving.md';
  const serving = pageOf(name);
  expect(serving.filter(({ kind }) => !['sh serve', 'sh', 'text'].includes(kind))).toEqual([]);
  const blocks = serving.filter(({ kind }) => kind === 'sh');
  const outputs = await run(blocks);
  expect(differences(name, serving, blocks, outputs)).toBe('');
}, 300_000);

test("the README's call works as written, except for the port", async () => {
  const readme = fs.readFileSync(path.join(checkout, 'README.md'), 'utf8');
  const [call] = /^grpcurl .*$/m.exec(readme) as RegExpExecArray;
  const { status, printed } = await bash(call.replace('localhost:7071', analyzer), folder);
  expect([status, printed]).toEqual([0, expect.stringContaining('"topHeads"')]);
});

const python = hasTool('python3');
if (!python) console.info('no python3 on PATH: the Python client is not run');
const go = hasTool('go');
if (!go) console.info('no go on PATH: the Go client is not run');

/** Runs a block in the checkout; git ignores the files that it generates. */
const inCheckout = async (kind: string, more: NodeJS.ProcessEnv = {}) => {
  const { status, printed } = await bash(`set -e\n${page.find((block) => block.kind === kind)?.body}`, checkout, more);
  if (status !== 0) throw new Error(`docs/clients.md, ${kind}: status ${status}\n${printed}`);
  return printed;
};

/** Environment that the page requires. */
const pythonEnvironment = () => {
  const needed = fs.readFileSync(path.join(checkout, 'docs/clients/python/requirements.txt'), 'utf8');
  const install = 'python3 -m pip install --quiet -r requirements.txt';
  return pythonWith(install, needed, path.join(checkout, 'docs/clients/python'));
};

(python ? test : test.skip)(
  'the Python client, and its protobuf of all JSON',
  async () => {
    const its = await pythonEnvironment();
    const printed = await inCheckout('sh python', its);
    expect(printed).toMatch(/^1 state JOB_STATE_QUEUED$/m);
    expect(printed).toMatch(/^best accuracy: [\d.]+ in epoch [12]$/m);
    expect(printed).toMatch(/^They scored\. (kitchen|sport) 0\.\d\d$/m);
    expect(printed).toMatch(/^[0-9a-z]{23}:1 JOB_STATE_QUEUED$/m);
    expect(printed).toMatch(/^[0-9a-z]{23}:\d+ JOB_STATE_SUCCEEDED$/m);

    const pairs = [...(await eventPairs()), await reportPair()];
    const check = spawnSync('python3', [path.join(__dirname, 'check_json.py')], {
      env: { ...env, ...its, PYTHONPATH: path.join(checkout, 'docs/clients/python/gen') },
      input: JSON.stringify(pairs),
      encoding: 'utf8',
    });
    expect([check.stderr, check.stdout]).toEqual(['', `${pairs.length}\n`]);
  },
  300_000,
);

(go ? test : test.skip)(
  'the Go client',
  async () => {
    const printed = await inCheckout('sh go');
    expect(printed).toMatch(/^1 &\{JOB_STATE_QUEUED\}$/m);
    expect(printed).toMatch(/^They scored\. (kitchen|sport) 0\.\d\d$/m);
    expect(printed).toMatch(/^best accuracy: [\d.]+ in epoch [12]$/m);
  },
  600_000,
);

/** Events of a new job as NATS has them, and the gateway's bytes of the same events. */
async function eventPairs() {
  const texts = ['Fry the onions.', 'The striker scored.', 'Whisk the eggs.'];
  const rows = { inline: { texts, labels: ['kitchen', 'sport', 'kitchen'] } };
  const spec = { model: 'all-MiniLM-L6-v2', train: rows, dev: rows, training: { epochs: 1 } };
  const connection = await connect({ servers: nats.url });
  const heard = connection.subscribe(subjectsOf('*'));
  const bodies: { jobId: string; sequence: number }[] = [];
  const listening = (async () => {
    for await (const message of heard) bodies.push(message.json());
  })();
  const { stdout } = await grpcurl([
    '-plaintext',
    '-d',
    JSON.stringify({ spec }),
    gateway,
    'hifi.v1.GatewayService/CreateJob',
  ]);
  const { jobId } = (JSON.parse(stdout) as { job: { jobId: string } }).job;
  const sent = await bytesOf(gateway, GatewayService.method.watchJob, { jobId });
  await until(
    () => bodies.length,
    (count) => count >= sent.length,
    'all events on NATS',
  );
  await connection.close();
  await listening;
  expect(bodies.map(({ sequence }) => sequence)).toEqual(sent.map((_, i) => i + 1));
  return bodies.map((event, i) => ({ type: 'WatchJobResponse', json: { event }, binary: sent[i] }));
}

/** Report printed by grpcurl, and the bytes of another run, which differs only in seconds. */
async function reportPair() {
  const dataset = { inline: { texts: ['The keys to the cabinet are on the table.', 'Whisk the eggs.'] } };
  const request = { model: 'all-MiniLM-L6-v2', dataset, view: 'REPORT_VIEW_FULL' };
  const { stdout } = await grpcurl([
    '-plaintext',
    '-d',
    JSON.stringify(request),
    analyzer,
    'hifi.v1.AnalyzerService/Analyze',
  ]);
  const { texts } = dataset.inline;
  const source = { case: 'inline' as const, value: { texts } };
  const sent = await bytesOf(analyzer, AnalyzerService.method.analyze, {
    model: request.model,
    dataset: { source },
    view: 2,
  });
  const json = JSON.parse(stdout.slice(stdout.lastIndexOf('\n{\n')));
  expect(json.report.pagerank).toHaveLength(72);
  return { type: 'AnalyzeResponse', json, binary: sent.at(-1), without: ['report.elapsed_seconds'] };
}

/** Messages of a stream as they arrived, in base64. */
async function bytesOf<I extends DescMessage, O extends DescMessage>(
  address: string,
  method: DescMethodServerStreaming<I, O>,
  request: MessageInitShape<I>,
): Promise<string[]> {
  const { path: name, requestSerialize } = methodDefinition(method);
  const client = new Client(address, credentials.createInsecure());
  try {
    const call = client.makeServerStreamRequest(
      name,
      requestSerialize,
      (bytes) => bytes,
      create(method.input, request) as never,
    );
    const messages: string[] = [];
    for await (const bytes of call) messages.push((bytes as Buffer).toString('base64'));
    return messages;
  } finally {
    client.close();
  }
}
