import * as path from 'node:path';
import { Argument, type Command, Option } from 'commander';
import { homeFolder } from '../foundation/cache-folder';
import { MIB, WARM_MEMORY } from '../inference/warm-memory';
import { bucketAddress } from '../infra/artifacts/bucket-address';
import { readCredentials, readGuard } from '../infra/grpc/credentials';
import { SERVICE_NAMES, type ServedName, type ServeSettings } from '../infra/service/settings';
import type { SuperviseSettings } from '../infra/service/supervisor';
import { addressOf, HOST, PORTS } from './addresses';
import { anArtifactPlace, aPath, aStore, oneOf, paths, targets, wholeNumber } from './flag-values';
import { add, type Flags } from './flags';
import { END_SIGNALS } from './interrupt';
import { printJson } from './output';
import { packageVersion } from './version';

export function define(command: Command): void {
  const service = new Argument('[service]', `all, or one of ${SERVICE_NAMES.join(', ')}`);
  command.addArgument(service.argParser(oneOf('the service', ['all', ...SERVICE_NAMES])).default('all'));
  add(command, '--state-dir <folder>', 'jobs, artifacts and checkpoints', aPath('folder'), shownStateDir());
  const roots = 'folder that clients may name files and models in (repeatable)';
  command.option('--data-root <folder>', roots, paths('folder'), []);
  const store = "where the gateway's jobs are: lmdb, in --state-dir, or nats://HOST:PORT[,…] for several gateways";
  command.option('--store <store>', store, aStore('--store'), 'lmdb');
  command.option(
    '--artifacts <place>',
    'where artifacts and checkpoints are: a folder that several services share, or s3://BUCKET/PREFIX (default: in --state-dir)',
    anArtifactPlace('--artifacts'),
  );
  command.optionsGroup('Addresses:');
  command.option('--host <address>', 'address to serve on', HOST);
  for (const name of SERVICE_NAMES) {
    const flag = `--${name}-port`;
    command.option(
      `${flag} <port>`,
      `the ${name}'s port; 0: any that is free`,
      wholeNumber(flag, 0, 65_535),
      PORTS[name],
    );
  }
  for (const name of ['analyzer', 'trainer'] as const) {
    const found = `where the gateway finds its ${name}s: addresses with commas, or names such as dns:///hifi-${name}:${PORTS[name]}`;
    const option = new Option(`--${name} <addresses>`, found).argParser(targets(`--${name}`));
    command.addOption(option.default([addressOf(name)], addressOf(name)));
  }
  command.option(
    '--gateway <host:port>',
    'where analyzer and trainer find artifacts (default: in --state-dir, which they share with the gateway)',
  );
  command.option(
    '--http <port>',
    'serve a live page of the jobs and POST /v1/classify too; the analyzer alone has no page; 0: any port that is free',
    wholeNumber('--http', 0, 65_535),
  );
  command.optionsGroup('Answers:');
  for (const [what, bytes] of Object.entries(WARM_MEMORY)) {
    const flag = `--${what.slice(0, -1)}-memory`;
    command.option(
      `${flag} <MiB>`,
      `memory for the ${what} that stay loaded; the least recently used leave`,
      wholeNumber(flag, 1),
      bytes / MIB,
    );
  }
  command.optionsGroup('Security:');
  const file = (flag: string, what: string) => add(command, flag, what, aPath('file'));
  file(
    '--token-file <file>',
    'tokens, one of which every call must bear: lines of ROLE TOKEN, or one token (or HIFI_TOKEN)',
  );
  file('--tls-cert <file>', "the server's certificate, PEM");
  file('--tls-key <file>', 'the key of --tls-cert, PEM');
  file('--tls-client-ca <file>', "authority of the clients' certificates: without one a client is refused");
  file('--tls-ca <file>', "authority of the other services' certificates (default: the system's)");
  command.option('--insecure', 'serve on any address without TLS and a token');
  command.optionsGroup('Output:');
  command.option('--json', 'print the ports as one JSON document on stdout once all is served');
  command.action(serveServices);
}

/** Time that calls and saving may take after the signal to end, in milliseconds. */
const END_MS = 30_000;

const bytesOf = (megabytes: unknown) => (megabytes as number) * MIB;

async function serveServices(service: ServedName | 'all', flags: Flags): Promise<void> {
  // A signal during the start ends the services after they have started, so that all parts end.
  const ended = endSignal();
  const guard = readGuard(flags);
  const common = {
    stateDir: path.resolve((flags.stateDir as string | undefined) ?? defaultStateDir()),
    host: flags.host as string,
    dataRoots: (flags.dataRoot as string[]).map((folder) => path.resolve(folder)),
    guard,
    insecure: flags.insecure === true,
    warmMemory: { models: bytesOf(flags.modelMemory), deltas: bytesOf(flags.deltaMemory) },
    ...(flags.http !== undefined && { httpPort: flags.http as number }),
    ...(flags.store !== 'lmdb' && { store: flags.store as string }),
    ...(flags.artifacts !== undefined && { artifacts: artifactPlace(flags.artifacts as string) }),
    ...(process.env.NATS_URL && { natsUrl: process.env.NATS_URL }),
    version: packageVersion(),
  };
  const ports = byName((name) => flags[`${name}Port`] as number);
  const credentials = readCredentials(flags, guard.tls !== undefined);
  const { analyzer, trainer, gateway } = flags as { analyzer: string[]; trainer: string[]; gateway?: string };
  const peers = { analyzer, trainer, gateway };
  const { served, stop } = await (service === 'all'
    ? serveAll({ ...common, ports })
    : serveOne({ ...common, name: service, port: ports[service], peers, credentials }));
  for (const { name, port, httpPort } of served) {
    process.stderr.write(`${name} on ${flags.host}:${port}\n`);
    const scheme = guard.tls ? 'https' : 'http';
    const host = String(flags.host).includes(':') ? `[${flags.host}]` : flags.host;
    const what = name === 'gateway' ? 'live page' : 'HTTP';
    if (httpPort !== undefined) process.stderr.write(`${what} on ${scheme}://${host}:${httpPort}/\n`);
  }
  if (flags.json) {
    const ports = served.flatMap(({ name, port, httpPort }) => [
      [name, port],
      ...(httpPort ? [['http', httpPort]] : []),
    ]);
    await printJson(Object.fromEntries(ports));
  }
  await ended;
  await stop();
  // A library may keep the process alive.
  process.exit(0);
}

function serveAll(settings: Omit<SuperviseSettings, 'entry'>) {
  const { supervise } = require('../infra/service/supervisor') as typeof import('../infra/service/supervisor');
  return supervise({ ...settings, entry: require.resolve('./service-child') });
}

async function serveOne(settings: ServeSettings) {
  const { serve } = require('./services') as typeof import('./services');
  const { served, stop } = await serve(settings);
  return { served: [served], stop };
}

const artifactPlace = (given: string) => (bucketAddress(given) ? given : path.resolve(given));

const byName = <T>(of: (name: ServedName) => T) =>
  Object.fromEntries(SERVICE_NAMES.map((name) => [name, of(name)])) as Record<ServedName, T>;

/** Default for the help text; undefined if there is none. */
function shownStateDir(): string | undefined {
  try {
    return defaultStateDir();
  } catch {
    return undefined;
  }
}

function defaultStateDir(): string {
  return path.join(process.env.XDG_STATE_HOME || path.join(homeFolder('--state-dir'), '.local/state'), 'hifi');
}

/** Waits for a signal that ends the process; a second one ends it at once. */
function endSignal(): Promise<void> {
  return new Promise((resolve) => {
    let signalled = false;
    for (const name of END_SIGNALS) {
      process.on(name, () => {
        if (signalled) process.exit(130);
        signalled = true;
        setTimeout(() => process.exit(1), END_MS).unref();
        resolve();
      });
    }
  });
}
