import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';

const root = path.join(__dirname, '../..');
const config = path.join(root, '.dependency-cruiser.cjs');

interface Cruise {
  summary: { totalCruised: number; violations: { rule: { name: string }; from: string; to: string }[] };
}

function cruise(folder: string): Cruise {
  const tool = path.join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
  const { stdout, stderr } = spawnSync(process.execPath, [tool, '--config', config, '--output-type', 'json', '.'], {
    cwd: folder,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout);
}

it('each rule between rooms finds a violation', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-imports-'));
  const breaches: Record<string, string> = {
    'foundation/rows.ts': "import '../data/rows';",
    'data/rows.ts': "import '../heads/mask';",
    'heads/mask.ts': "import '../model/config';",
    'model/config.ts': "import '../delta/delta';",
    'delta/delta.ts': "import '../proto/rows';",
    'delta/engine.ts': "import '../node_modules/onnxruntime-node';",
    'proto/rows.ts': "import '../infra/engine';",
    'infra/engine.ts': "import '../cli/hifi';",
    'infra/onnx/child.ts': "import './step';",
    'infra/onnx/step.ts': "import '../engine';",
    'report/page.ts': "import '../compare/page';",
    'analyzer/step.ts': "import '../trainer/step';",
    'trainer/step.ts': "import '../infra/engine';",
    'trainer/training-engine.ts': "import '../infra/engine'; // an entry: allowed",
    'trainer/service.ts': "import '../analyzer/entry';",
    'analyzer/entry.ts': 'export const entry = 1;',
    'inference/answers.ts': "import '../trainer/step';",
    'job/job.ts': "import '../gateway/serve';",
    'job/stages.ts': "import '../trainer/training-engine'; // allowed",
    'gateway/serve.ts': "import '../trainer/step';",
    'gateway/estimate.ts': "import '../job/stages';",
    'gateway/tested.ts': "import '../test/thing';",
    'compare/page.ts': "import '../proto/rows';",
    'compare/statistics.ts': "import '../data/rows';",
    'library/run.ts': "import '../gateway/serve';",
    'cli/hifi.ts': "import './not-there';",
    'cli/above.ts': "import '../library/run';",
    'test/thing.ts': 'export const thing = 1;',
    'examples/inside.mts': "import '../data/rows';",
    'report/a.ts': "import type { B } from './b'; export interface A { b: B }",
    'report/b.ts': "import type { A } from './a'; export interface B { a: A }",
    'node_modules/onnxruntime-node/index.js': 'exports.it = 1;',
  };
  try {
    fs.copyFileSync(path.join(root, 'tsconfig.json'), path.join(folder, 'tsconfig.json'));
    for (const [file, text] of Object.entries(breaches)) {
      fs.mkdirSync(path.join(folder, path.dirname(file)), { recursive: true });
      fs.writeFileSync(path.join(folder, file), `${text}\nexport {};\n`);
    }
    const found = cruise(folder).summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} → ${to}`);
    expect([...new Set(found)].sort()).toEqual([
      'analyzer-imports: analyzer/step.ts → trainer/step.ts',
      'cli-imports: cli/above.ts → library/run.ts',
      'compare-imports: compare/page.ts → proto/rows.ts',
      'comparison-statistics-are-pure: compare/statistics.ts → data/rows.ts',
      'data-imports: data/rows.ts → heads/mask.ts',
      'delta-has-no-engine: delta/engine.ts → node_modules/onnxruntime-node/index.js',
      'delta-imports: delta/delta.ts → proto/rows.ts',
      'engines-start-no-process: infra/onnx/child.ts → infra/engine.ts',
      'examples-are-users: examples/inside.mts → data/rows.ts',
      'foundation-imports: foundation/rows.ts → data/rows.ts',
      'gateway-imports: gateway/serve.ts → trainer/step.ts',
      'gateway-imports: gateway/tested.ts → test/thing.ts',
      'gateway-reaches-no-engine: gateway/estimate.ts → trainer/training-engine.ts',
      'gateway-reaches-no-engine: gateway/serve.ts → trainer/step.ts',
      'heads-imports: heads/mask.ts → model/config.ts',
      'inference-imports: inference/answers.ts → trainer/step.ts',
      'infra-imports: infra/engine.ts → cli/hifi.ts',
      'job-imports: job/job.ts → gateway/serve.ts',
      'library-imports: library/run.ts → gateway/serve.ts',
      'model-imports: model/config.ts → delta/delta.ts',
      'no-cycles: report/a.ts → report/b.ts',
      'proto-imports: proto/rows.ts → infra/engine.ts',
      'report-imports: report/page.ts → compare/page.ts',
      'resolvable: cli/hifi.ts → ./not-there',
      'stages-know-no-surroundings: trainer/step.ts → infra/engine.ts',
      'trainer-imports: trainer/service.ts → analyzer/entry.ts',
    ]);
    const names = new Set(require(config).forbidden.map((rule: { name: string }) => rule.name));
    expect(new Set(found.map((line) => line.split(':')[0]))).toEqual(names);
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
});

it('the tree has no violation', () => {
  const { violations, totalCruised } = cruise(root).summary;
  expect(violations).toEqual([]);
  expect(totalCruised).toBeGreaterThan(50);
});
