// Which room may import which (ARCHITECTURE.md has the map). `npm run check:imports` checks it.

/** Rooms that each room may import besides itself, from the bottom up. */
const ROOMS = {
  foundation: [],
  data: ['foundation'],
  heads: ['foundation', 'data'],
  model: ['foundation', 'data', 'heads'],
  delta: ['foundation', 'data', 'heads', 'model'],
  proto: ['foundation', 'data', 'heads', 'model', 'delta'],
  infra: ['foundation', 'data', 'model', 'delta', 'proto'],
  report: ['foundation', 'data', 'heads', 'model', 'delta', 'infra'],
  analyzer: ['foundation', 'data', 'heads', 'model', 'proto', 'infra', 'inference'],
  inference: ['foundation', 'data', 'heads', 'model', 'delta', 'proto', 'infra'],
  trainer: ['foundation', 'data', 'heads', 'model', 'delta', 'proto', 'infra'],
  job: ['foundation', 'data', 'heads', 'model', 'delta', 'infra', 'report', 'analyzer', 'trainer'],
  gateway: ['foundation', 'data', 'heads', 'delta', 'proto', 'infra', 'report', 'job'],
  compare: ['foundation', 'data', 'heads', 'model', 'delta', 'infra', 'report', 'analyzer', 'trainer', 'job'],
  library: [
    'foundation',
    'data',
    'heads',
    'model',
    'delta',
    'infra',
    'report',
    'analyzer',
    'inference',
    'trainer',
    'job',
  ],
};
ROOMS.cli = Object.keys(ROOMS).filter((room) => room !== 'library');

/** Files of a service's room other than stages: its process, its calls, its messages. */
const ENTRIES = '(child|serve|service|runs|run-record|shared-checkpoints|windows-file|\\w+-engine|\\w+-message)\\.ts$';

/** Rooms of the engines' processes. */
const CHILDREN = 'analyzer|inference|trainer|report|infra/onnx';

/** What starts a process that computes with TensorFlow or onnxruntime, and what runs in it. */
const ENGINES = '^(analyzer|inference|trainer)/|^infra/(onnx/|tensorflow\\.ts$)';

const rule = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });

const roomRule = ([room, below]) => {
  const allowed = [room, ...below].join('|');
  const named = below.length === 0 ? 'no other room' : below.map((name) => `${name}/`).join(', ');
  return rule(
    `${room}-imports`,
    `${room}/ imports ${named}.`,
    { path: `^${room}/` },
    { path: '^([^./]+/|[^/]+\\.ts$)', pathNot: `^(${allowed}|node_modules)/`, dependencyTypesNot: ['core'] },
  );
};

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    rule('no-cycles', 'Imports go one way, those of types too.', {}, { circular: true }),
    rule('resolvable', 'An import exists and its package is in package.json.', {}, { couldNotResolve: true }),
    ...Object.entries(ROOMS).map(roomRule),
    rule(
      'delta-has-no-engine',
      'Reading and writing deltas needs neither TensorFlow nor onnxruntime.',
      { path: '^delta/' },
      { path: 'node_modules/(@tensorflow|onnxruntime)', reachable: true },
    ),
    rule(
      'gateway-reaches-no-engine',
      'A gateway serves jobs on a machine without TensorFlow and onnxruntime, and starts no process but that of a report.',
      { path: '^(gateway|report)/' },
      { path: `${ENGINES}|node_modules/(@tensorflow|onnxruntime)`, reachable: true },
    ),
    rule(
      'engines-start-no-process',
      "An engine's process starts none: its parent starts all that a piece of work needs.",
      { path: `^(${CHILDREN})/child\\.ts$` },
      { path: '^infra/(engine|engine-process)\\.ts$', reachable: true },
    ),
    rule(
      'stages-know-no-surroundings',
      'A stage knows no process, server, message or telemetry.',
      { path: '^(analyzer|trainer)/', pathNot: `^(analyzer|trainer)/${ENTRIES}` },
      { path: '^(infra|proto)/|node_modules/(@grpc|@nats-io|@opentelemetry|pino)/' },
    ),
    rule(
      'examples-are-users',
      'An example imports the package, as its reader does.',
      { path: '^examples/' },
      { path: '.', pathNot: '^index\\.ts$', dependencyTypesNot: ['core'] },
    ),
    rule(
      'comparison-statistics-are-pure',
      'Statistics and regression import nothing but one another.',
      { path: '^compare/(statistics|lbfgs|logistic)\\.ts$' },
      { pathNot: '^compare/(statistics|lbfgs|logistic)\\.ts$' },
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|coverage|demo-out)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['types', 'require', 'node', 'default'] },
  },
};
