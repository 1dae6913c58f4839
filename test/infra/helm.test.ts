import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { pythonWith } from '../docs/reader';
import { findTool } from '../support/tools';

/*
 * Renders the Helm chart with the values of several clusters, and validates what it prints by the
 * schemas of Kubernetes.
 */
const chart = path.join(__dirname, '../../infra/helm/hifi');
const helm = findTool('helm');
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-helm-'));
afterAll(() => fs.rmSync(scratch, { recursive: true }));

const VALIDATE = 'python3 -m pip install --quiet kubernetes-validate==1.35.0';

const REQUIRED = { 'artifacts.url': 's3://bucket/hifi', tokenSecret: 'hifi-token' };
/** Values of a cluster, in the form of `--set`. */
const CLUSTERS: Record<string, Record<string, string | number | boolean>> = {
  'least values': REQUIRED,
  'every part': {
    ...REQUIRED,
    'artifacts.endpoint': 'http://s3:8333',
    'artifacts.secret': 's3',
    'tls.secret': 'tls',
    'nats.credentialsSecret': 'nats',
    'telemetry.otlpEndpoint': 'http://collector:4318',
    hubSecret: 'hub',
    dataClaim: 'rows',
    'trainers.gpu.gpu': true,
    'trainers.gpu.scale.least': 1,
    'trainers.gpu.scale.most': 4,
    'trainers.gpu.resources.limits.nvidia\\.com/gpu': 1,
  },
  'without KEDA and network policies': { ...REQUIRED, 'keda.enabled': false, 'networkPolicy.enabled': false },
};

function run(command: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(helm, [command, ...args], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

const sets = (values: (typeof CLUSTERS)[string]) =>
  Object.entries(values).flatMap(([name, value]) => [
    typeof value === 'string' ? '--set-string' : '--set',
    `${name}=${value}`,
  ]);

/** Objects that the chart prints, as JSON. */
function rendered(values: (typeof CLUSTERS)[string]): string[] {
  const { status, stdout, stderr } = run('template', 'tune', chart, ...sets(values));
  expect([status, stderr]).toEqual([0, '']);
  return stdout.split(/^---$/m).filter((text) => /^kind:/m.test(text));
}

const kindsOf = (objects: readonly string[]) =>
  objects.map((text) => `${/^kind: (\w+)/m.exec(text)?.[1]} ${/^ {2}name: (\S+)/m.exec(text)?.[1]}`).sort();

test.each(Object.entries(CLUSTERS))('helm lint accepts the chart: %s', (_, values) => {
  const { status, stdout } = run('lint', '--strict', chart, ...sets(values));
  expect([status, stdout]).toEqual([0, expect.stringContaining('0 chart(s) failed')]);
});

test('the chart has a service, its pods and their limits for each part', () => {
  const objects = rendered(CLUSTERS['least values']);
  expect(kindsOf(objects)).toEqual([
    'Deployment tune-analyzer-cpu',
    'Deployment tune-gateway',
    'Deployment tune-trainer-cpu',
    'NetworkPolicy tune-analyzer',
    'NetworkPolicy tune-gateway',
    'NetworkPolicy tune-trainer',
    'PodDisruptionBudget tune-gateway',
    'ScaledObject tune-trainer-cpu',
    'Service tune-analyzer',
    'Service tune-gateway',
    'Service tune-trainer',
    'ServiceAccount tune-hifi',
  ]);
  // KEDA sets the number of trainers.
  const trainers = objects.find((text) => text.includes('kind: Deployment') && text.includes('name: tune-trainer-cpu'));
  expect(trainers).not.toMatch(/^ {2}replicas:/m);
  const gateway = objects.find((text) => text.includes('kind: Deployment') && text.includes('name: tune-gateway'));
  expect(gateway).toContain('"--trainer=dns:///tune-trainer:7072"');
});

test.each(['artifacts.url', 'tokenSecret'])('without %s the chart names what is missing', (name) => {
  const values = Object.fromEntries(Object.entries(REQUIRED).filter(([each]) => each !== name));
  const { status, stderr } = run('template', 'tune', chart, ...sets(values));
  expect([status, stderr]).toEqual([1, expect.stringContaining(`${name} must be set, such as `)]);
});

test('Kubernetes accepts every object', async () => {
  const env = await pythonWith(VALIDATE, VALIDATE, scratch);
  const files = Object.entries(CLUSTERS).map(([name, values], i) => {
    const file = path.join(scratch, `${i}.yaml`);
    // The schemas are those of Kubernetes itself, which lack KEDA's kinds.
    const known = rendered(values).filter((text) => !text.includes('kind: ScaledObject'));
    expect([name, known.length]).toEqual([name, expect.any(Number)]);
    fs.writeFileSync(file, known.join('---\n'));
    return file;
  });
  const broken = path.join(scratch, 'broken.yaml');
  fs.writeFileSync(broken, fs.readFileSync(files[0], 'utf8').replace('containerPort: 7070', 'containerPort: "7070"'));
  const validate = (each: readonly string[]) =>
    spawnSync('python3', ['-m', 'kubernetes_validate', '--strict', '-k', '1.35', ...each], {
      env: { ...process.env, ...env },
      encoding: 'utf8',
    });
  const { status, stdout, stderr } = validate(files);
  expect([status, stdout + stderr]).toEqual([0, expect.not.stringContaining('FAIL')]);
  expect(validate([broken]).status).not.toBe(0);
}, 300_000);
