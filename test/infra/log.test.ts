import { runCommand } from '../../foundation/command';
import { openLog } from '../../infra/log';
import { openTelemetry } from '../../infra/telemetry';

const before = process.env.HIFI_LOG;
const CALLER = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

afterEach(() => {
  if (before === undefined) delete process.env.HIFI_LOG;
  else process.env.HIFI_LOG = before;
});

function capturedLog() {
  const text: string[] = [];
  const log = openLog('gateway', { write: (line) => void text.push(line) });
  return { log, text, lines: () => text.map((line) => JSON.parse(line)) };
}

it('a line has time, level, service and message', () => {
  const { log, lines } = capturedLog();
  log.warn({ jobs: 3 }, 'the queue is full');
  expect(lines()).toEqual([
    {
      ...{ level: 'warn', time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/), service: 'hifi-gateway' },
      ...{ pid: process.pid, jobs: 3, msg: 'the queue is full' },
    },
  ]);
});

it('a line in a span has the ids of the trace and the span', async () => {
  const { log, lines } = capturedLog();
  const telemetry = openTelemetry('gateway');
  await telemetry.inSpan('call', { parent: CALLER }, async () => log.child({ job: 'j1' }).info('inside'));
  log.info('outside');
  const ids = { trace_id: '0af7651916cd43dd8448eb211c80319c', span_id: 'b7ad6b7169203331' };
  expect(lines()[0]).toMatchObject({ ...ids, job: 'j1' });
  expect(lines()[1]).not.toHaveProperty('trace_id');
});

it('no line contains credentials or content of a call', () => {
  const { log, text } = capturedLog();
  const secrets = { authorization: 'Bearer secret', token: 'secret', body: { texts: ['secret'] }, request: 'secret' };
  log.info(secrets);
  log.info({ metadata: { authorization: ['Bearer secret'] }, calls: [{ peer: { token: 'secret' } }] });
  log.child(secrets).info('of a child');
  log.error({ err: Object.assign(new Error('refused'), { metadata: secrets }) }, 'failed');
  expect(text.join('')).not.toMatch(/secret/);
  expect(text).toHaveLength(4);
  log.info({ tokens: 128, rows: 3 });
  expect(text[4]).toMatch(/"tokens":128,"rows":3/);
});

it('HIFI_LOG sets the level', () => {
  process.env.HIFI_LOG = 'warn';
  const { log, text } = capturedLog();
  log.info('not logged');
  log.warn('logged');
  expect(text).toHaveLength(1);
  process.env.HIFI_LOG = 'loud';
  expect(() => openLog('gateway')).toThrow(
    'HIFI_LOG is "loud"; it must be one of trace, debug, info, warn, error, fatal, silent',
  );
});

it('goes to stderr, complete even if the process ends at once', async () => {
  const script = `
    const log = require(process.argv[1]).openLog('cli');
    for (let i = 0; i < 500; i++) log.info({ i }, 'x'.repeat(500));
    process.stdout.write('out');
    process.exit(3);`;
  const { status, output } = await runCommand('sh', [
    ...['-c', 'exec "$@" 2>&1 >/dev/null', 'sh'],
    ...[process.execPath, '-e', script, require.resolve('../../infra/log')],
  ]);
  expect(status).toBe(3);
  const last = output.trim().split('\n').pop() ?? '';
  expect(JSON.parse(last)).toMatchObject({ i: 499, service: 'hifi-cli' });
});
