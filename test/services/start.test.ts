import * as fs from 'node:fs';
import * as net from 'node:net';
import * as path from 'node:path';
import { PORTS } from '../../cli/addresses';
import { serve } from '../../cli/services';
import { SERVICE_NAMES, type ServeSettings } from '../../infra/service/settings';
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

const settings = (): ServeSettings => ({
  services: SERVICE_NAMES,
  stateDir,
  host: '127.0.0.1',
  ports: { gateway: 0, analyzer: 0, trainer: 0 },
  peers: { analyzer: `127.0.0.1:${PORTS.analyzer}`, trainer: `127.0.0.1:${PORTS.trainer}` },
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
test.each<[what: string, change: Change, message: RegExp]>([
  ["the analyzer's port is taken", ({ ports }) => void (ports.analyzer = takenPort), /cannot be served on/],
  ["the trainer's port is taken", ({ ports }) => void (ports.trainer = takenPort), /cannot be served on/],
  ["the gateway's port is taken", ({ ports }) => void (ports.gateway = takenPort), /cannot be served on/],
  ["the live page's port is taken", (given) => void (given.httpPort = takenPort), /cannot be served on/],
  ['NATS has no such address', (given) => void (given.natsUrl = 'http://127.0.0.1'), /address of NATS/],
  ['TLS has no certificate', (given) => void (given.guard = { tls: { cert: noFile, key: noFile } }), /PEM|start line/i],
  ['the bind is not guarded', (given) => void (given.host = '0.0.0.0'), /open to other machines/],
])('%s: all started parts end', async (_, change, message) => {
  const before = alive();
  const given = settings();
  change(given);
  await expect(serve(given)).rejects.toThrow(message);
  await until(alive, (left) => left.length <= before.length, 'what was started to end');
  expect(fs.readdirSync(stateDir).filter((name) => /\.(lock|sock)/.test(name))).toEqual([]);
});

test('after all these starts, services on the same folder start and end', async () => {
  const before = alive();
  const { served, stop } = await serve(settings());
  expect(served.map(({ name }) => name)).toEqual(['analyzer', 'trainer', 'gateway']);
  expect(fs.readdirSync(stateDir).filter((name) => name.endsWith('.lock'))).toHaveLength(3);
  await stop();
  await until(alive, (left) => left.length <= before.length, 'what was started to end');
  expect(fs.readdirSync(stateDir).filter((name) => /\.(lock|sock)/.test(name))).toEqual([]);
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
