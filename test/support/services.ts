import { type ChildProcess, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { GrpcClient } from '../../infra/grpc/client';
import { freePorts } from './ports';

/** Longest start and end of services on a busy machine, in milliseconds. */
const WAIT_MS = 60_000;
/** Most starts; another process may take a free port. */
const TRIES = 3;

const HOOK = path.join(__dirname, 'typescript-hook.cjs');
/** Command from its sources. `HIFI_ENTRY=dist/cli/hifi.js` measures the built one instead. */
const HIFI = path.resolve(process.env.HIFI_ENTRY ?? path.join(__dirname, '../../cli/hifi.ts'));

export type Name = 'gateway' | 'analyzer' | 'trainer';
export type Ports = Partial<Record<Name, number>>;

/** How a process ended. */
export interface End {
  status: number | null;
  signal: NodeJS.Signals | null;
}

/** All started processes that still run. */
const alive = new Set<Service>();

/** `hifi serve` with its processes, from the sources. */
export class Service {
  /** Addresses of its services. */
  ports: Ports = {};
  private child!: ChildProcess;
  private ended!: Promise<End>;
  private words = '';

  /** @param entry file to start instead of the command */
  private constructor(
    private readonly args: string[],
    private readonly env: Record<string, string>,
    private readonly entry: string,
  ) {}

  /**
   * Starts the command and waits until all its services are ready.
   *
   * @param args arguments of `hifi serve`
   * @throws Error with all its output if it ends before that
   */
  static async start(args: string[], env: Record<string, string> = {}, entry = HIFI): Promise<Service> {
    const words = entry === HIFI ? ['serve', ...args, '--json'] : args;
    const service = new Service(words, env, entry);
    await service.begin();
    return service;
  }

  get pid(): number {
    return this.child.pid as number;
  }

  /** All output of its processes to stderr. */
  get log(): string {
    return this.words;
  }

  /** Sends a signal. @returns how the process ended */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<End> {
    this.child.kill(signal);
    return this.gone();
  }

  /** Waits for the process to end by itself. */
  gone(): Promise<End> {
    return this.ended;
  }

  /** Starts the ended process again, on the same ports. */
  async restart(): Promise<void> {
    for (const [name, port] of Object.entries(this.ports)) {
      const at = this.args.indexOf(name === 'http' ? '--http' : `--${name}-port`);
      if (at >= 0) this.args[at + 1] = String(port);
    }
    await this.begin();
  }

  private async begin(): Promise<void> {
    const child = spawn(process.execPath, ['--require', HOOK, this.entry, ...this.args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NODE_OPTIONS: `--require=${JSON.stringify(HOOK)}`, ...this.env },
    });
    this.child = child;
    alive.add(this);
    child.stderr.setEncoding('utf8').on('data', (text) => {
      this.words += text;
    });
    // 'exit', not 'close': a stopped engine holds the pipes.
    this.ended = new Promise((resolve) => {
      child.once('exit', (status, signal) => {
        alive.delete(this);
        resolve({ status, signal });
      });
    });
    let output = '';
    const served = new Promise<string>((resolve) => {
      child.stdout.setEncoding('utf8').on('data', (text) => {
        output += text;
        if (output.includes('\n}') || /^\{.*\}\n/.test(output)) resolve(output);
      });
    });
    const late = timeout(`${this.args.join(' ')} to be served`);
    const first = await Promise.race([served, this.ended, late.over]).finally(late.clear);
    if (typeof first !== 'string') throw new Error(`hifi ended with ${JSON.stringify(first)}:\n${this.words}`);
    this.ports = JSON.parse(first);
  }
}

/** Ends all started processes and their children. */
export async function endServices(): Promise<void> {
  await Promise.all(
    [...alive].map(async (service) => {
      // A stopped engine does not notice that its parent has ended.
      const engines = descendantsOf(service.pid);
      await service.kill();
      for (const pid of engines) signalTo(pid, 'SIGKILL');
    }),
  );
}

/** Starts the three services in three processes with one state directory, with clients. */
export interface Trio extends Record<Name, Service> {
  clients: Record<Name, GrpcClient>;
  stateDir: string;
}

export interface TrioSettings {
  stateDir: string;
  dataRoots: string[];
  env?: Record<string, string>;
}

export async function startTrio({ stateDir, dataRoots, env = {} }: TrioSettings): Promise<Trio> {
  const roots = dataRoots.flatMap((root) => ['--data-root', root]);
  for (let tries = 1; ; tries++) {
    const [gateway, analyzer, trainer] = await freePorts(3);
    const ports = { gateway, analyzer, trainer };
    const start = (name: Name) => {
      const others = (Object.keys(ports) as Name[]).filter((other) => other !== name);
      const peers = others.flatMap((other) => [`--${other}`, `127.0.0.1:${ports[other]}`]);
      const words = [name, '--state-dir', stateDir, `--${name}-port`, String(ports[name]), ...peers, ...roots];
      return Service.start(words, env);
    };
    try {
      const [g, a, t] = await Promise.all([start('gateway'), start('analyzer'), start('trainer')]);
      return { gateway: g, analyzer: a, trainer: t, clients: clientsOf(ports), stateDir };
    } catch (error) {
      await endServices();
      if (tries === TRIES || !/cannot be served on/.test((error as Error).message)) throw error;
    }
  }
}

/** `hifi serve all` on free ports, and a client of each service. */
export async function startAll({ stateDir, dataRoots, env = {} }: TrioSettings) {
  const ports = (['gateway', 'analyzer', 'trainer'] as const).flatMap((name) => [`--${name}-port`, '0']);
  const roots = dataRoots.flatMap((root) => ['--data-root', root]);
  const service = await Service.start(['all', '--state-dir', stateDir, ...ports, ...roots], env);
  return { service, clients: clientsOf(service.ports) };
}

export function clientsOf(ports: Ports): Record<Name, GrpcClient> {
  const clientOf = (name: Name) => new GrpcClient(`127.0.0.1:${ports[name]}`);
  return { gateway: clientOf('gateway'), analyzer: clientOf('analyzer'), trainer: clientOf('trainer') };
}

/** Living descendants of a process, its children first. */
export function descendantsOf(pid: number): number[] {
  const children = read(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number);
  return [...children, ...children.flatMap(descendantsOf)];
}

/** Process of a service below `hifi serve all`. */
export function processOf(pid: number, name: Name): number {
  const found = descendantsOf(pid).filter((each) =>
    new RegExp(`/service-child[^\0]*\0${name}\0`).test(read(`/proc/${each}/cmdline`)),
  );
  if (found.length !== 1) throw new Error(`process ${pid} has ${found.length} processes of the ${name}`);
  return found[0];
}

/** The engines below a process: those of `analyzer/child`, or `trainer/child`. */
export const enginesOf = (pid: number, of: 'analyzer' | 'trainer') =>
  descendantsOf(pid).filter((each) => read(`/proc/${each}/cmdline`).includes(`/${of}/child`));

/** Processor time of a process with all threads, in clock ticks of 10 ms; 0 if it has ended. */
export function ticksOf(pid: number): number {
  const stat = read(`/proc/${pid}/stat`);
  const [user, system] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13);
  return Number(user ?? 0) + Number(system ?? 0);
}

/** Sends a signal to a process that may have ended. @returns true if it still ran */
export function signalTo(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

function read(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function timeout(what: string): { over: Promise<never>; clear: () => void } {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${WAIT_MS / 1000} s for ${what}, without success`)), WAIT_MS);
  });
  return { over, clear: () => clearTimeout(timer) };
}
