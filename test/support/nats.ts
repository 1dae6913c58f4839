import * as fs from 'node:fs';
import * as net from 'node:net';
import * as os from 'node:os';
import * as path from 'node:path';
import { type ServerProcess, startProcess } from './server-process';
import { findTool } from './tools';
import { until } from './until';

export interface NatsServer {
  /** Address `nats://127.0.0.1:PORT`, also after `restart`. */
  readonly url: string;
  readonly port: number;
  /** Ends the server by a signal, SIGKILL by default. Settles when the process has ended. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Restarts the server on its port and store; kills it first if it runs. */
  restart(): Promise<void>;
  /** Changes the configuration of the running server; settles when the change is in effect. */
  reload(config: string): Promise<void>;
  /** Ends the server and removes its own store. */
  stop(): Promise<void>;
}

export interface NatsSettings {
  jetstream: boolean;
  /** Port. Default: a free one. */
  port?: number;
  /** JetStream's folder. Default: the server's own. */
  storeDir?: string;
  /** Further content of its configuration file, such as users and their permissions. */
  config?: string;
}

/**
 * Starts a real nats-server on the loopback interface.
 *
 * @returns the server, once it accepts connections
 * @throws Error when there is no nats-server, or with its last line when it does not start
 */
export async function startNats({ jetstream, port = -1, storeDir, config }: NatsSettings): Promise<NatsServer> {
  const program = findTool('nats-server');
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-nats-'));
  const store = storeDir ?? path.join(folder, 'store');
  const file = path.join(folder, 'nats.conf');
  const log = path.join(folder, 'nats.log');
  const write = (text: string) =>
    fs.writeFileSync(
      file,
      `log_file: ${JSON.stringify(log)}\n${jetstream ? `jetstream { store_dir: ${JSON.stringify(store)} }\n` : ''}${text}`,
    );
  const reloads = () => fs.readFileSync(log, 'utf8').split('Reloaded server configuration').length;
  if (config !== undefined) write(config);

  async function start(on: number): Promise<{ server: ServerProcess; answer: number }> {
    // With port -1 the server chooses a free port and writes it to a file.
    const ports = fs.mkdtempSync(path.join(folder, 'ports-'));
    const args = ['--addr', '127.0.0.1', '--port', String(on), '--ports_file_dir', ports];
    if (config !== undefined) args.push('--config', file);
    else if (jetstream) args.push('--jetstream', '--store_dir', store);
    return startProcess(program, args, async () => {
      const bound = portIn(ports);
      return bound !== undefined && (await accepts(bound)) ? bound : undefined;
    });
  }

  let server: ServerProcess;
  let bound: number;
  try {
    ({ server, answer: bound } = await start(port));
  } catch (error) {
    fs.rmSync(folder, { recursive: true });
    throw error;
  }
  return {
    url: `nats://127.0.0.1:${bound}`,
    port: bound,
    kill: (signal = 'SIGKILL') => server.kill(signal),
    async restart() {
      await server.kill('SIGKILL');
      ({ server } = await start(bound));
    },
    async reload(text) {
      const before = reloads();
      write(text);
      process.kill(server.pid, 'SIGHUP');
      await until(reloads, (now) => now > before, 'the configuration to be read').catch((error) => {
        throw new Error(`${error.message}: ${fs.readFileSync(log, 'utf8').trim().split('\n').at(-1)}`);
      });
    },
    async stop() {
      await server.kill('SIGKILL');
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Clients' port that a server wrote into its folder, once the file exists. */
function portIn(folder: string): number | undefined {
  const file = fs.readdirSync(folder).find((name) => name.endsWith('.ports'));
  if (file === undefined) return undefined;
  const { nats } = JSON.parse(fs.readFileSync(path.join(folder, file), 'utf8')) as { nats: string[] };
  return Number(new URL(nats[0]).port);
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    // The server sends INFO to each new connection.
    socket.once('data', () => resolve(true)).once('data', () => socket.destroy());
    socket.once('error', () => {}).once('close', () => resolve(false));
  });
}
