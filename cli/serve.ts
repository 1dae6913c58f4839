import * as os from 'node:os';
import * as path from 'node:path';
import type { Command } from 'commander';
import { invalidInput } from '../errors';
import { readCredentials, readGuard } from '../infra/grpc/credentials';
import { SERVICE_NAMES, type ServedName } from '../server/settings';
import { addressOf, HOST, PORTS } from './addresses';
import { repeated, wholeNumber } from './flag-values';
import type { Flags } from './flags';
import { printJson } from './output';
import { packageVersion } from './version';

export function define(command: Command): void {
  command.argument('[service]', `all, or one of ${SERVICE_NAMES.join(', ')}`, 'all');
  command.option('--state-dir <folder>', 'jobs, artifacts and checkpoints', defaultStateDir());
  command.option('--data-root <folder>', 'folder that clients may name files and models in (repeatable)', repeated, []);
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
    command.option(`--${name} <host:port>`, `where the gateway finds the ${name}`, addressOf(name));
  }
  command.option(
    '--gateway <host:port>',
    'where analyzer and trainer find artifacts (default: in --state-dir, which they share with the gateway)',
  );
  command.option(
    '--http <port>',
    'serve a live page of the jobs too; 0: any port that is free',
    wholeNumber('--http', 0, 65_535),
  );
  command.optionsGroup('Security:');
  command.option('--token-file <file>', 'the token that every call must bear (or HIFI_TOKEN)');
  command.option('--tls-cert <file>', "the server's certificate, PEM");
  command.option('--tls-key <file>', 'and its key');
  command.option('--tls-client-ca <file>', "authority of the clients' certificates: without one a client is refused");
  command.option('--tls-ca <file>', "authority of the other services' certificates (default: the system's)");
  command.option('--insecure', 'serve on any address without TLS and a token');
  command.optionsGroup('Output:');
  command.option('--json', 'print the ports as one JSON document on stdout once all is served');
  command.action(serveServices);
}

/** How long calls and saving may take once the process is told to end, in milliseconds. */
const END_MS = 30_000;

async function serveServices(service: string, flags: Flags): Promise<void> {
  const services = servicesNamed(service);
  const { serve } = require('../server/serve') as typeof import('../server/serve');
  const guard = readGuard(flags);
  const { served, stop } = await serve({
    services,
    stateDir: path.resolve(flags.stateDir as string),
    host: flags.host as string,
    ports: byName((name) => flags[`${name}Port`] as number),
    peers: byName((name) => flags[name] as string),
    dataRoots: (flags.dataRoot as string[]).map((folder) => path.resolve(folder)),
    guard,
    credentials: readCredentials(flags, guard.tls !== undefined),
    insecure: flags.insecure === true,
    ...(flags.http !== undefined && { httpPort: flags.http as number }),
    ...(process.env.NATS_URL && { natsUrl: process.env.NATS_URL }),
    version: packageVersion(),
  });
  for (const { name, port, pagePort } of served) {
    process.stderr.write(`${name} on ${flags.host}:${port}\n`);
    const scheme = guard.tls ? 'https' : 'http';
    if (pagePort !== undefined) process.stderr.write(`live page on ${scheme}://${flags.host}:${pagePort}/\n`);
  }
  if (flags.json) {
    const ports = served.flatMap(({ name, port, pagePort }) => [
      [name, port],
      ...(pagePort ? [['http', pagePort]] : []),
    ]);
    await printJson(Object.fromEntries(ports));
  }
  await toldToEnd();
  setTimeout(() => process.exit(1), END_MS).unref();
  await stop();
  // What a library still holds open is nobody's any more.
  process.exit(0);
}

function servicesNamed(service: string): readonly ServedName[] {
  if (service === 'all') return SERVICE_NAMES;
  const name = SERVICE_NAMES.find((known) => known === service);
  if (name) return [name];
  throw invalidInput(`there is no service "${service}"; it must be all or one of ${SERVICE_NAMES.join(', ')}`);
}

const byName = <T>(of: (name: ServedName) => T) =>
  Object.fromEntries(SERVICE_NAMES.map((name) => [name, of(name)])) as Record<ServedName, T>;

function defaultStateDir(): string {
  return path.join(process.env.XDG_STATE_HOME || path.join(os.homedir(), '.local/state'), 'hifi');
}

/** Waits for Ctrl-C or SIGTERM; a second one ends the process at once. */
function toldToEnd(): Promise<void> {
  return new Promise((resolve) => {
    let told = false;
    for (const name of ['SIGINT', 'SIGTERM'] as const) {
      process.on(name, () => {
        if (told) process.exit(130);
        told = true;
        resolve();
      });
    }
  });
}
