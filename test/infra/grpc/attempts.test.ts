import { latestAttempts } from '../../../infra/grpc/attempts';
import { GrpcClient } from '../../../infra/grpc/client';
import { GrpcServer } from '../../../infra/grpc/server';
import { AnalyzerService } from '../../../proto/gen/hifi/v1/analyzer_pb';
import { status } from '../../../proto/status';
import { until } from '../../support/until';
import { trial } from './service';

const { describeModel } = AnalyzerService.method;

test('the first call of an attempt ends those of earlier ones, and later calls of these are refused', async () => {
  const seen = { sent: 0, aborted: 0, ended: 0 };
  const server = new GrpcServer({ host: '127.0.0.1', port: 0, interceptor: latestAttempts() });
  server.add(AnalyzerService, trial(seen));
  const client = new GrpcClient(`127.0.0.1:${await server.start()}`);
  const call = (model: string, job: string, number: number) =>
    client.unary(describeModel, { model }, { attempt: { job, number } });

  const leave = new AbortController();
  const attempt = { job: 'other', number: 1 };
  const other = client.unary(describeModel, { model: 'wait' }, { attempt, signal: leave.signal }).catch(() => {});
  const earlier = [call('wait', 'job', 1), call('wait', 'job', 1)];
  await call('tiny', 'job', 1);
  expect(seen.aborted).toBe(0);
  await call('tiny', 'job', 2);
  await Promise.all(earlier);
  expect(seen.aborted).toBe(2);
  await expect(call('tiny', 'job', 1)).rejects.toMatchObject({ code: status.ABORTED, reason: 'ATTEMPT_SUPERSEDED' });
  expect((await call('tiny', 'job', 2)).name).toBe('tiny');

  leave.abort();
  await other;
  await until(
    () => seen.aborted,
    (count) => count === 3,
    'the call of the other job to end',
  );
  client.close();
  await server.drain(0);
});
