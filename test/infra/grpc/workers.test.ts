import { pino } from 'pino';
import { Admission } from '../../../infra/admission';
import { GrpcServer } from '../../../infra/grpc/server';
import { Workers } from '../../../infra/grpc/workers';
import { AnalyzerService } from '../../../proto/gen/hifi/v1/analyzer_pb';
import { status } from '../../../proto/status';
import { freePorts } from '../../support/ports';
import { until } from '../../support/until';
import { trial } from './service';

/* Servers on loopback whose analyses run one at a time, as those of an analyzer do. */
const { analyze, describeModel } = AnalyzerService.method;
const log = pino({ level: 'silent' });
let ports: number[];
let servers: GrpcServer[];
let workers: Workers;
/** Models of the analyses of each server. */
let taken: string[][];

async function serve(i: number): Promise<void> {
  const server = new GrpcServer({ host: '127.0.0.1', port: ports[i] });
  const admission = new Admission();
  const service = trial({ sent: 0, aborted: 0, ended: 0 });
  server.add(AnalyzerService, {
    ...service,
    async describeModel() {
      return { name: String(i) };
    },
    async *analyze(request, call) {
      const place = admission.enter(call.immediate);
      try {
        await place.turn(call.signal);
        taken[i].push(request.model);
        yield* service.analyze(request, call);
      } finally {
        place.leave();
      }
    },
  });
  await server.start();
  servers[i] = server;
}

beforeEach(async () => {
  ports = await freePorts(3);
  servers = [];
  taken = [[], [], []];
  for (const i of ports.keys()) await serve(i);
  workers = new Workers('analyzer', addresses(), {}, log);
  await healthy(3);
});
afterEach(async () => {
  workers.close();
  await Promise.all(servers.map((server) => server.drain(0)));
});

const addresses = () => ports.map((port) => `127.0.0.1:${port}`);
const healthy = (count: number) =>
  until(
    () => workers.size,
    (size) => size === count,
    `${count} healthy workers`,
  );
const name = async () => (await workers.unary(describeModel, { model: 'any' })).name;

/** Starts an analysis that lasts until it is ended. */
function analysis(model: string, job?: string) {
  const leave = new AbortController();
  const attempt = job === undefined ? undefined : { job, number: 1 };
  const over = (async () => {
    for await (const _ of workers.stream(analyze, { model }, { signal: leave.signal, attempt }));
  })().catch((error) => error);
  const end = () => {
    leave.abort();
    return over;
  };
  return { end, over };
}
const running = (count: number) =>
  until(
    () => taken.flat().length,
    (length) => length === count,
    `${count} analyses to run`,
  );

test('calls go round robin', async () => {
  const names = [];
  for (let i = 0; i < 6; i++) names.push(await name());
  expect(names.slice(3)).toEqual(names.slice(0, 3));
  expect(names.slice(0, 3).toSorted()).toEqual(['0', '1', '2']);
});

test('a busy worker is skipped for a free one, and a call waits for the first that is free', async () => {
  // Another gateway's call, which this one does not know of.
  const other = new Workers('analyzer', addresses().slice(0, 1), {}, log);
  const leave = new AbortController();
  const foreign = (async () => {
    for await (const _ of other.stream(analyze, { model: 'wait' }, { signal: leave.signal }));
  })().catch(() => {});
  await running(1);
  const own = [analysis('wait'), analysis('wait')];
  await running(3);
  expect(taken.map(({ length }) => length)).toEqual([1, 1, 1]);

  const next = analysis('count 1');
  leave.abort();
  await foreign;
  expect(await next.over).toBeUndefined();
  expect(taken[0]).toEqual(['wait', 'count 1']);
  for (const each of own) await each.end();
  other.close();
});

test('a job stays with the worker of its last call', async () => {
  for (let i = 0; i < 4; i++) await analysis('count 1', 'job').over;
  expect(taken.map(({ length }) => length).toSorted()).toEqual([0, 0, 4]);
});

test('a call goes to the worker that was last called for its model, or else to a free one without a model', async () => {
  const done = async (model: string) => {
    for await (const _ of workers.stream(analyze, { model }, { model }));
  };
  for (const model of ['count 1', 'count 2', 'count 1', 'count 2', 'count 2', 'count 1']) await done(model);
  expect(taken.toSorted()).toEqual([[], ['count 1', 'count 1', 'count 1'], ['count 2', 'count 2', 'count 2']]);

  // While its worker is busy, another one takes it.
  const at = taken.findIndex(([model]) => model === 'count 1');
  const one = new Workers('analyzer', [addresses()[at]], {}, log);
  const leave = new AbortController();
  const busy = (async () => {
    for await (const _ of one.stream(analyze, { model: 'wait' }, { signal: leave.signal }));
  })().catch(() => {});
  await running(7);
  await done('count 1');
  expect(taken[at]).toEqual(['count 1', 'count 1', 'count 1', 'wait']);
  leave.abort();
  await busy;
  one.close();
});

test('a worker that ends gets no calls until it serves again', async () => {
  await servers[1].drain(0);
  await healthy(2);
  const names = new Set([await name(), await name(), await name(), await name()]);
  expect([...names].toSorted()).toEqual(['0', '2']);
  await serve(1);
  await healthy(3);
  const again = new Set([await name(), await name(), await name()]);
  expect(again.has('1')).toBe(true);
});

test('without any worker a call fails with the reason of each, at once', async () => {
  await Promise.all(servers.map((server) => server.drain(0)));
  const reasons = addresses().map((address) => `${address} cannot be reached (ECONNREFUSED)`);
  const error = await name().catch((thrown) => thrown);
  expect(error).toMatchObject({ code: status.UNAVAILABLE, reason: 'UNAVAILABLE' });
  expect(error.message.startsWith('no analyzer is available: ')).toBe(true);
  for (const reason of reasons) expect(error.message).toContain(reason);
});
