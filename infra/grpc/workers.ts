import { EventEmitter, once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { DescMessage, DescMethodServerStreaming, DescMethodUnary, MessageInitShape } from '@bufbuild/protobuf';
import { cancelled } from '../../foundation/errors';
import { RpcError, rpcErrorOf, status } from '../../proto/status';
import type { Logger } from '../log';
import { type CallSettings, type Calls, GrpcClient } from './client';
import type { Credentials } from './credentials';
import { type Endpoint, endpointsOf } from './endpoints';

/** Pause before the health of a worker that is away is asked for again, in milliseconds. */
const RETRY_MS = 1000;
/** Longest pause before a call that all workers refused is made again, in milliseconds. */
const BUSY_MS = 1000;
/** Time without messages after which a worker is checked; twice that ends a hung one's calls. */
const KEEPALIVE_MS = 10_000;
/** Number of jobs whose last worker is remembered. */
const MOST_JOBS = 10_000;

/** One process of the service. */
interface Worker {
  address: string;
  client: GrpcClient;
  /** Undefined until the first report. */
  healthy: boolean | undefined;
  /** Number of this process's open calls to it. */
  calls: number;
  /** Model of the last call that it answered, which it may hold in memory. */
  model?: string;
  /** Ends the health reports; the connection closes after the last call. */
  leaving: AbortController;
}

/** Makes one call to a worker. */
type Call<M> = (client: GrpcClient, settings: CallSettings) => AsyncIterable<M>;

/** Number of jobs that may run at once, which changes with the workers. */
export interface Room {
  readonly size: number;
  /** Settles when the size may have changed, or when `signal` aborts. */
  change(signal: AbortSignal): Promise<void>;
}

/**
 * All processes of a service. Each call goes to a healthy one: the one that has the job's files, a
 * free one that was last called for the same model, or else the one with the fewest calls, round
 * robin. Of these a worker without a model comes first, so that the others keep theirs. A worker
 * that is busy or away is skipped for the next one; if all are busy, the call waits for the first
 * that is free. A call that has answered fails with its worker: its caller decides if it can be
 * repeated.
 */
export class Workers implements Calls, Room {
  private readonly all = new Map<string, Worker>();
  private readonly ending = new AbortController();
  private readonly news = new EventEmitter().setMaxListeners(0);
  /** Settles once the targets are resolved. */
  private readonly known: Promise<void>;
  private turn = 0;
  /** Job → worker of its last call, which has the job's files and checkpoint. */
  private readonly lastOf = new Map<string, Worker>();

  /**
   * Connects to the workers.
   *
   * @param name of the service, for messages
   * @param targets as `parseTarget` reads them
   */
  constructor(
    private readonly name: string,
    targets: readonly string[],
    private readonly credentials: Credentials,
    private readonly log: Logger,
  ) {
    this.known = new Promise((known) => void this.follow(targets, known));
  }

  /** Number of workers that can take a call; at least 1, whose error tells why if there is none. */
  get size(): number {
    return Math.max(1, this.present().filter(({ healthy }) => healthy).length);
  }

  async change(signal: AbortSignal): Promise<void> {
    await once(this.news, 'change', { signal }).catch(() => {});
  }

  async unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    settings: CallSettings = {},
  ) {
    const answers = this.somewhere(settings, async function* (client, settings) {
      yield await client.unary(method, request, settings);
    });
    for await (const answer of answers) return answer;
    throw cancelled();
  }

  stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
    settings: CallSettings = {},
  ) {
    return this.somewhere(settings, (client, settings) => client.stream(method, request, settings));
  }

  /** Ends all connections. */
  close(): void {
    this.ending.abort();
    for (const worker of this.all.values()) this.leave(worker);
  }

  /** Makes a call to the first worker that takes it. @throws RpcError the worker's error */
  private async *somewhere<M>(settings: CallSettings, call: Call<M>): AsyncGenerator<M, void> {
    await this.known;
    const { attempt, model } = settings;
    const turn = this.turn++;
    const tried = new Set<Worker>();
    let away: RpcError[] = [];
    let busy = false;
    for (;;) {
      const worker = this.next(tried, turn, settings);
      if (!worker) {
        if (!busy) throw this.noneOf(away);
        await this.free(settings.signal);
        tried.clear();
        away = [];
        busy = false;
        continue;
      }
      tried.add(worker);
      // One worker alone lets the call wait in its queue.
      const immediate = this.present().length > 1;
      let answered = false;
      worker.calls++;
      try {
        for await (const answer of call(worker.client, { ...settings, immediate })) {
          answered = true;
          yield answer;
        }
        return;
      } catch (thrown) {
        const error = rpcErrorOf(thrown);
        if (answered || !(isAway(error) || (immediate && isBusy(error)))) throw thrown;
        if (isAway(error)) away.push(error);
        else busy = true;
      } finally {
        worker.calls--;
        if (answered && attempt) this.remember(attempt.job, worker);
        if (answered && model !== undefined) worker.model = model;
        if (worker.leaving.signal.aborted) this.leave(worker);
        this.news.emit('change');
      }
    }
  }

  /** Returns the worker to call next; undefined if all were tried. */
  private next(
    tried: ReadonlySet<Worker>,
    turn: number,
    { attempt, model }: Pick<CallSettings, 'attempt' | 'model'>,
  ): Worker | undefined {
    const present = this.present();
    const inTurn = present.map((_, i) => present[(turn + i) % present.length]);
    const healthy = inTurn.filter((worker) => worker.healthy && !tried.has(worker));
    // Without a healthy worker the call finds out what is wrong.
    const left = present.some((worker) => worker.healthy) ? healthy : inTurn.filter((worker) => !tried.has(worker));
    const last = attempt && this.lastOf.get(attempt.job);
    if (last && left.includes(last)) return last;
    const isWarm = (worker: Worker) => model !== undefined && worker.model === model && worker.calls === 0;
    const order = (worker: Worker) => worker.calls + (worker.model === undefined ? 0 : 0.5);
    return left.find(isWarm) ?? left.toSorted((a, b) => order(a) - order(b))[0];
  }

  private present(): Worker[] {
    return [...this.all.values()].filter(({ leaving }) => !leaving.signal.aborted);
  }

  private remember(job: string, worker: Worker): void {
    this.lastOf.delete(job);
    this.lastOf.set(job, worker);
    if (this.lastOf.size > MOST_JOBS) this.lastOf.delete(this.lastOf.keys().next().value as string);
  }

  /** Waits until a worker may be free. @throws HifiError CANCELLED */
  private async free(signal?: AbortSignal): Promise<void> {
    const over = new AbortController();
    const until = AbortSignal.any([over.signal, this.ending.signal, ...(signal ? [signal] : [])]);
    await Promise.race([this.change(until), delay(BUSY_MS, undefined, { signal: until }).catch(() => {})]);
    over.abort();
    if (signal?.aborted || this.ending.signal.aborted) throw cancelled();
  }

  private noneOf(away: readonly RpcError[]): RpcError {
    if (away.length === 1) return away[0];
    const reasons = away.map(({ message }) => message).join('; ');
    const details = { unreachable: true, cause: away[0] };
    return new RpcError(status.UNAVAILABLE, 'UNAVAILABLE', `no ${this.name} is available: ${reasons}`, details);
  }

  /** Follows the targets' addresses. */
  private async follow(targets: readonly string[], known: () => void): Promise<void> {
    for await (const endpoints of endpointsOf(targets, this.ending.signal)) {
      const addresses = new Set(endpoints.map(({ address }) => address));
      for (const worker of this.all.values()) if (!addresses.has(worker.address)) this.leave(worker);
      for (const endpoint of endpoints) if (!this.all.has(endpoint.address)) this.join(endpoint);
      this.news.emit('change');
      known();
    }
  }

  private join({ address, serverName }: Endpoint): void {
    const client = new GrpcClient(address, this.credentials, { serverName, keepaliveMs: KEEPALIVE_MS });
    const worker: Worker = { address, client, healthy: undefined, calls: 0, leaving: new AbortController() };
    this.all.set(address, worker);
    void this.watch(worker);
  }

  private leave(worker: Worker): void {
    worker.leaving.abort();
    if (this.all.get(worker.address) === worker) this.all.delete(worker.address);
    if (worker.calls === 0 || this.ending.signal.aborted) worker.client.close();
  }

  /** Follows a worker's health until it leaves. */
  private async watch(worker: Worker): Promise<void> {
    const { signal } = worker.leaving;
    while (!signal.aborted) {
      try {
        for await (const serving of worker.client.health(signal)) this.see(worker, serving, 'it does not serve');
        this.see(worker, false, 'it ended its health reports');
      } catch (thrown) {
        const { code, message } = rpcErrorOf(thrown);
        if (signal.aborted) return;
        if (code === status.UNIMPLEMENTED) return this.see(worker, true, '');
        this.see(worker, false, message);
      }
      await delay(RETRY_MS, undefined, { signal, ref: false }).catch(() => {});
    }
  }

  private see(worker: Worker, healthy: boolean, why: string): void {
    if (worker.healthy === healthy) return;
    const first = worker.healthy === undefined;
    worker.healthy = healthy;
    this.news.emit('change');
    const named = `the ${this.name} at ${worker.client.shown}`;
    if (!healthy) this.log.warn(`${named} gets no work: ${why}`);
    else if (!first) this.log.info(`${named} gets work again`);
  }
}

const isBusy = ({ code, reason }: RpcError) => code === status.RESOURCE_EXHAUSTED && reason === 'BUSY';

/** True if nothing answers, or the worker is ending. */
const isAway = ({ code, reason }: RpcError) =>
  code === status.UNAVAILABLE && (reason === 'UNAVAILABLE' || reason === 'SHUTTING_DOWN');
