import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import type { GrpcClient } from '../../infra/grpc/client';
import { GatewayService } from '../../proto/gen/hifi/v1/gateway_pb';
import { status } from '../../proto/status';
import { FIXTURES, temporaryFolder } from '../support/deltas';
import { manifest, packedProject, withoutHook } from '../support/packed';
import { freePorts } from '../support/ports';
import { clientsOf, descendantsOf, endServices, Service } from '../support/services';
import { createJob, follow, getJob, inlineRows, type Spec } from './struck-job';

/* A gateway on a machine without an engine, with analyzer and trainer on another one. */
const ENGINES = ['@tensorflow/tfjs-node', 'onnxruntime-node'];
const project = packedProject(ENGINES);
const stateDir = temporaryFolder('alone');
let trainer: Service;
let served: Service;
let gateway: GrpcClient;

/** A job whose rows come in the request: the gateway reads no file of the other machine. */
const SPEC = {
  model: 'tiny-bert',
  train: inlineRows(80),
  dev: inlineRows(20),
  analysis: { samples: 40, maxLength: 48 },
  selection: { k: 2 },
  training: { epochs: 2, batchSize: 8, lr: 0.01, maxLength: 48 },
  exports: ['checkpoint'],
} satisfies Spec;

beforeAll(async () => {
  const [port, ...others] = await freePorts(3);
  const services = (['analyzer', 'trainer'] as const).map((name, i) => {
    const own = ['--state-dir', path.join(stateDir, name), `--${name}-port`, String(others[i])];
    return Service.start([name, ...own, '--data-root', FIXTURES, '--gateway', `127.0.0.1:${port}`]);
  });
  [, trainer] = await Promise.all(services);
  const own = ['--state-dir', path.join(stateDir, 'gateway'), '--gateway-port', String(port)];
  const peers = ['--analyzer', `127.0.0.1:${others[0]}`, '--trainer', `127.0.0.1:${others[1]}`];
  const entry = path.join(project.installed, manifest.bin.hifi);
  served = await Service.start(['serve', 'gateway', ...own, ...peers, '--json'], { NODE_OPTIONS: '' }, entry);
  ({ gateway } = clientsOf(served.ports));
});
afterAll(async () => {
  gateway?.close();
  await endServices();
  for (const folder of [stateDir, project.folder]) fs.rmSync(folder, { recursive: true, force: true });
});

test.each(ENGINES)('there is no %s', (name) => {
  const program = 'require.resolve(process.argv[1])';
  const found = () =>
    execFileSync(process.execPath, ['-e', program, name], {
      cwd: project.installed,
      env: withoutHook(),
      stdio: 'pipe',
    });
  expect(found).toThrow(/Cannot find module/);
});

test('a job goes from CreateJob to SUCCEEDED, and EstimateJob estimates it before', async () => {
  const estimate = await gateway.unary(GatewayService.method.estimateJob, { spec: SPEC });
  expect(estimate).toMatchObject({ heads: 4, trainRows: 80, devRows: 20, steps: 2 * 10 });
  const { analysis, training, evaluation, export: exporting, total } = estimate.seconds!;
  const parts = [analysis, training, evaluation, exporting];
  for (const seconds of parts) expect(seconds).toBeGreaterThan(0);
  expect(total).toBeCloseTo(
    parts.reduce((sum, each) => sum + each),
    8,
  );
  expect(Number(estimate.peakMemoryBytes)).toBeGreaterThan(1e8);

  const jobId = await createJob(gateway, SPEC);
  const states = (await follow(gateway, jobId)).flatMap(({ event }) => (event.kind === 'state' ? [event.state] : []));
  expect(states.at(-1)).toBe('SUCCEEDED');
  const { artifacts, metrics } = await getJob(gateway, jobId);
  expect(artifacts.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['heads.json', 'report.html', 'checkpoint/model.safetensors']),
  );
  // Exact but for the digits of the heads' scores.
  const delta = artifacts.filter(({ name }) => name.startsWith('delta/'));
  const bytes = delta.reduce((sum, { sizeBytes }) => sum + Number(sizeBytes), 0);
  expect(Math.abs(Number(estimate.deltaBytes) - bytes)).toBeLessThan(100);
  expect(estimate.trainableParameters).toBe(metrics!.trainableParameters);
  expect(descendantsOf(served.pid)).toEqual([]);
});

test('EstimateJob refuses rows that the trainer refuses, by their field in the spec, and fails without a trainer', async () => {
  const { texts } = inlineRows(20).source.value;
  const dev = { source: { case: 'inline' as const, value: { texts, labels: texts.map(() => 'unknown') } } };
  const estimate = (spec: Spec) => gateway.unary(GatewayService.method.estimateJob, { spec });
  await expect(estimate({ ...SPEC, dev })).rejects.toMatchObject({
    code: status.INVALID_ARGUMENT,
    details: { violations: [{ field: 'spec.dev', description: expect.stringContaining('unknown') }] },
  });
  await trainer.kill();
  await expect(estimate(SPEC)).rejects.toMatchObject({ code: status.UNAVAILABLE });
});
