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

it('each rule of the rooms finds its breach', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-imports-'));
  const breaches: Record<string, string> = {
    'heads/pure.ts': "import '../data/rows';",
    'data/rows.ts': 'export const rows = 1;',
    'files/leaning.ts': "import '../data/rows';",
    'model/low.ts': "import '../trainer/step';",
    'trainer/step.ts': "import '../infra/engine';",
    'trainer/engine.ts': "import '../infra/engine'; // the door: allowed",
    'analyzer/other.ts': "import '../trainer/step';",
    'infra/engine.ts': "import '../cli/hifi';",
    'cli/hifi.ts': "import './not-there';",
    'results/leaning.ts': "import '../trainer/step';",
    'gateway/tested.ts': "import '../test/thing';",
    'test/thing.ts': 'export const thing = 1;',
    'proto/gen/rows_pb.ts': 'export const rows = 1;',
    'job/job.ts': "import '../proto/gen/rows_pb';",
    'job/place.ts': "import '../gateway/tested';",
    'trainer/service.ts': "import '../proto/gen/rows_pb'; // the door: allowed",
    'wire/rows.ts': "import '../infra/engine';",
    'compare/statistics.ts': "import '../data/rows';",
    'library/run.ts': 'export const run = 1;',
    'report/above.ts': "import '../library/run';",
    'examples/inside.mts': "import '../data/rows';",
    'report/leaning.ts': "import '../compare/statistics';",
    'report/a.ts': "import type { B } from './b'; export interface A { b: B }",
    'report/b.ts': "import type { A } from './a'; export interface B { a: A }",
  };
  try {
    fs.copyFileSync(path.join(root, 'tsconfig.json'), path.join(folder, 'tsconfig.json'));
    for (const [file, text] of Object.entries(breaches)) {
      fs.mkdirSync(path.join(folder, path.dirname(file)), { recursive: true });
      fs.writeFileSync(path.join(folder, file), `${text}\nexport {};\n`);
    }
    const found = cruise(folder).summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} → ${to}`);
    expect([...new Set(found)].sort()).toEqual([
      'a-job-needs-no-server: job/place.ts → gateway/tested.ts',
      'comparisons-are-above: report/leaning.ts → compare/statistics.ts',
      'engines-are-apart: analyzer/other.ts → trainer/step.ts',
      'entries-are-above: infra/engine.ts → cli/hifi.ts',
      'examples-are-users: examples/inside.mts → data/rows.ts',
      'files-are-below: files/leaning.ts → data/rows.ts',
      'heads-are-pure: heads/pure.ts → data/rows.ts',
      'library-is-above: report/above.ts → library/run.ts',
      'messages-stop-at-the-wire: job/job.ts → proto/gen/rows_pb.ts',
      'model-and-data-are-below: model/low.ts → trainer/step.ts',
      'no-cycles: report/a.ts → report/b.ts',
      'resolvable: cli/hifi.ts → ./not-there',
      'results-stand-alone: results/leaning.ts → trainer/step.ts',
      'sources-know-no-tests: gateway/tested.ts → test/thing.ts',
      'stages-know-no-surroundings: trainer/step.ts → infra/engine.ts',
      'what-a-comparison-says-is-pure: compare/statistics.ts → data/rows.ts',
      'wire-is-a-mapping: wire/rows.ts → infra/engine.ts',
    ]);
    const names = new Set(require(config).forbidden.map((rule: { name: string }) => rule.name));
    expect(new Set(found.map((line) => line.split(':')[0]))).toEqual(names);
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
});

it('the tree breaks none', () => {
  const { violations, totalCruised } = cruise(root).summary;
  expect(violations).toEqual([]);
  expect(totalCruised).toBeGreaterThan(50);
});
