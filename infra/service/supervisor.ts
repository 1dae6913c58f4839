import * as path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Backoff } from '../../foundation/backoff';
import { HifiError } from '../../foundation/errors';
import { temporaryFolder } from '../../foundation/temporary';
import { strongest } from '../grpc/tokens';
import { type Logger, openLog } from '../log';
import { Parts } from '../parts';
import { ServiceProcess } from './service-process';
import type { Served, ServedName, ServeSettings } from './settings';

/** Pauses before a service that died is started again, in milliseconds. */
const RESTARTS = { first: 500, longest: 30_000 };
/** Maximum length of the path of the sockets' folder, in characters. */
const SOCKET_FOLDER_MOST = 90;

export interface SuperviseSettings extends Omit<ServeSettings, 'name' | 'port' | 'socket' | 'peers' | 'credentials'> {
  /** 0: any free port. */
  ports: Record<ServedName, number>;
  /** File of a service's process, which calls `answerSupervisor`. */
  entry: string;
}

/**
 * Serves all services, each in its own process. They connect by Unix sockets in the state
 * directory, which no other user may enter. A service that dies is restarted on its ports while the
 * others keep running. If a service fails to start at first, all end before this throws.
 *
 * @throws HifiError the error of the service that failed to start
 */
export async function supervise(settings: SuperviseSettings): Promise<{ served: Served[]; stop(): Promise<void> }> {
  const { ports, entry, httpPort, ...common } = settings;
  const { tokens } = settings.guard;
  const log = openLog('supervisor');
  const { started, end } = await Parts.start(async (parts) => {
    const sockets = socketFolder(settings.stateDir, parts);
    const socketOf = (name: ServedName) => path.join(sockets, `${name}.sock`);
    const peers = {
      analyzer: [`unix:${socketOf('analyzer')}`],
      trainer: [`unix:${socketOf('trainer')}`],
      registry: `unix:${socketOf('gateway')}`,
    };
    const shared = { ...common, peers, credentials: tokens ? { token: strongest(tokens).token } : {} };
    const service = (name: ServedName) => {
      const http = name === 'gateway' && httpPort !== undefined && { httpPort };
      const own = { ...shared, ...http, name, port: ports[name], socket: socketOf(name) };
      const supervised = new SupervisedService(entry, own, log);
      parts.add(() => supervised.stop());
      return supervised;
    };
    // All load at once. The gateway starts last and ends first, because its jobs call the others.
    const [analyzer, trainer, gateway] = (['analyzer', 'trainer', 'gateway'] as const).map(service);
    const workers = await Promise.allSettled([analyzer.start(), trainer.start()]);
    const served = workers.map((result) => {
      if (result.status === 'rejected') throw result.reason;
      return result.value;
    });
    return [...served, await gateway.start()];
  });
  return { served: started, stop: end };
}

/** Service whose process is replaced when it dies. */
class SupervisedService {
  private process: ServiceProcess;
  private readonly backoff = new Backoff(RESTARTS);
  private readonly stopping = new AbortController();

  constructor(
    private readonly entry: string,
    private settings: ServeSettings,
    private readonly log: Logger,
  ) {
    this.process = new ServiceProcess(entry, settings.name);
  }

  /** Serves, and from then on restarts the service when it dies. */
  async start(): Promise<Served> {
    const served = await this.serve();
    void this.watch();
    return served;
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.process.end();
  }

  private async serve(): Promise<Served> {
    const served = await this.process.serve(this.settings);
    const { port, httpPort } = served;
    // Clients use these ports, so a restarted process serves on them too.
    this.settings = { ...this.settings, port, ...(httpPort !== undefined && { httpPort }) };
    return served;
  }

  private async watch(): Promise<void> {
    const { signal } = this.stopping;
    const { name } = this.settings;
    for (;;) {
      const since = performance.now();
      const how = await this.process.gone;
      if (signal.aborted) return;
      if (performance.now() - since > RESTARTS.longest) this.backoff.reset();
      const pause = this.backoff.next();
      this.log.error(`the ${name} ${how}: it starts again in ${pause / 1000} s`);
      await delay(pause, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      this.process = new ServiceProcess(this.entry, name);
      await this.serve().catch((thrown) => {
        if (!signal.aborted) this.log.error(`the ${name} does not start: ${HifiError.from(thrown).message}`);
      });
    }
  }
}

/**
 * Folder of the sockets: the state directory, or a short one if its path is too long for the
 * system.
 */
function socketFolder(stateDir: string, parts: Parts): string {
  const own = path.resolve(stateDir);
  if (own.length <= SOCKET_FOLDER_MOST) return own;
  const folder = temporaryFolder('sockets');
  parts.add(() => folder.remove());
  return folder.path;
}
