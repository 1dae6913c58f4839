import * as fs from 'node:fs';
import * as net from 'node:net';
import * as path from 'node:path';
import { PORTS } from '../../cli/addresses';
import { serve } from '../../cli/services';
import { SERVICE_NAMES, type ServedName, type ServeSettings } from '../../infra/service/settings';
import { temporaryFolder } from '../support/deltas';
import { type NatsServer, startNats } from '../support/nats';
import { endServices, Service } from '../support/services';
import { until } from '../support/until';

/* A start that fails leaves nothing: no process, lock, port, connection or timer. */
let stateDir: string;
let nats: NatsServer;
let taken: net.Server;
let takenPort: number;
beforeAll(async () => {
  process.env.HIFI_LOG = 'silent';
  stateDir = temporaryFolder('start');
  nats = await startNats({ jetstream: false });
  taken = net.createServer();
  await new Promise<void>((listening) => taken.listen(0, '127.0.0.1', listening));
  takenPort = (taken.address() as net.AddressInfo).port;
});
afterAll(async () => {
  delete process.env.HIFI_LOG;
  await endServices();
  await nats.stop();
  taken.close();
  fs.rmSync(stateDir, { recursive: true, force: true });
});

const settings = (name: ServedName): ServeSettings => ({
  name,
  stateDir,
  host: '127.0.0.1',
  port: 0,
  socket: path.join(stateDir, `${name}.sock`),
  peers: { analyzer: [`127.0.0.1:${PORTS.analyzer}`], trainer: [`127.0.0.1:${PORTS.trainer}`] },
  dataRoots: [],
  guard: {},
  credentials: {},
  insecure: false,
  natsUrl: nats.url,
  httpPort: 0,
  version: '0',
});

/**
 * Lists the handles that keep this process alive, except its standard streams and the server of the
 * port in use.
 */
const alive = () =>
  process
    .getActiveResourcesInfo()
    .filter((kind) => /^(Timeout|TCP|Pipe|Immediate|FSReq)/.test(kind) && kind !== 'PipeWrap');

type Change = (settings: ServeSettings) => void;
const noFile = Buffer.from('no certificate');
test.each<[what: string, name: ServedName, change: Change, message: RegExp]>([
  ["the analyzer's port is taken", 'analyzer', (given) => void (given.port = takenPort), /cannot be served on/],
  ["the trainer's port is taken", 'trainer', (given) => void (given.port = takenPort), /cannot be served on/],
  ["the gateway's port is taken", 'gateway', (given) => void (given.port = takenPort), /cannot be served on/],
  ["the live page's port is taken", 'gateway', (given) => void (given.httpPort = takenPort), /cannot be served on/],
  ['NATS has no such address', 'gateway', (given) => void (given.natsUrl = 'http://127.0.0.1'), /address of NATS/],
  [
    'TLS has no certificate',
    'trainer',
    (given) => void (given.guard = { tls: { cert: noFile, key: noFile } }),
    /PEM|start line/i,
  ],
  ['the bind is not guarded', 'analyzer', (given) => void (given.host = '0.0.0.0'), /open to other machines/],
])('%s: all started parts end', async (_, name, change, message) => {
  const before = alive();
  const given = settings(name);
  change(given);
  await expect(serve(given)).rejects.toThrow(message);
  await until(alive, (left) => left.length <= before.length, 'what was started to end');
  expect(fs.readdirSync(stateDir).filter((file) => /\.(lock|sock)/.test(file))).toEqual([]);
});

test('after all these starts, each service on the same folder starts and ends', async () => {
  const before = alive();
  for (const name of SERVICE_NAMES) {
    const { served, stop } = await serve(settings(name));
    expect(served.name).toBe(name);
    expect(fs.readdirSync(stateDir).filter((file) => /\.(lock|sock)/.test(file))).toEqual([
      `${name}.lock`,
      `${name}.sock`,
    ]);
    await stop();
  }
  await until(alive, (left) => left.length <= before.length, 'what was started to end');
  expect(fs.readdirSync(stateDir).filter((file) => /\.(lock|sock)/.test(file))).toEqual([]);
});

test('a process whose last port is in use exits with one line', async () => {
  const ports = ['--gateway-port', '0', '--analyzer-port', '0', '--trainer-port', '0', '--http', String(takenPort)];
  const words = ['all', '--state-dir', path.join(stateDir, 'other'), ...ports];
  const error: Error = await Service.start(words, { NATS_URL: nats.url }).then(
    () => new Error('it was served'),
    (refused) => refused,
  );
  const [how, ...lines] = error.message.trim().split('\n');
  expect(how).toContain('{"status":4,"signal":null}');
  expect(lines).toEqual([
    expect.stringMatching(
      /^hifi: 127\.0\.0\.1:\d+ cannot be served on: another program serves there: give another port/,
    ),
  ]);
});
