import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { S3_FOLDER } from './s3';
import { findProgram, setUpTestTools } from './test-tools';
import { findTool, hasTool } from './tools';

const before = { ...process.env };
let folder: string;

/** Writes a program of a few lines of shell. */
function program(file: string, script: string): void {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}

/** Writes a stand-in for Go that records its arguments and runs a script. */
function fakeGo(install: string): void {
  program(path.join(folder, 'bin/go'), `[ "$1" = version ] && exit 0\necho "$*" >> '${folder}/calls'\n${install}`);
}

const calls = () => fs.readFileSync(path.join(folder, 'calls'), 'utf8').trim().split('\n');

async function setUp(): Promise<string[]> {
  const lines: string[] = [];
  await setUpTestTools((line) => lines.push(line));
  return lines;
}

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-test-tools-'));
  process.env.XDG_CACHE_HOME = path.join(folder, 'cache');
  // PATH excludes the system, which may have Go or the tools.
  process.env.PATH = path.join(folder, 'bin');
  program(path.join(folder, 'bin/chromium'), '');
  fs.mkdirSync(path.join(folder, 'cache/hifi', S3_FOLDER), { recursive: true });
});

afterEach(() => {
  Object.assign(process.env, { PATH: before.PATH, XDG_CACHE_HOME: before.XDG_CACHE_HOME });
  if (before.XDG_CACHE_HOME === undefined) delete process.env.XDG_CACHE_HOME;
  fs.rmSync(folder, { recursive: true });
});

it('builds missing tools in the cache, once', async () => {
  // Each call writes all programs; only the one of the tool's name counts.
  fakeGo('for name in nats-server grpcurl helm; do /bin/cp "$0" "$GOBIN/$name"; done');
  expect(await setUp()).toEqual([
    'building nats-server 2.15.2 for the tests (go install)',
    'building grpcurl 1.9.3 for the tests (go install)',
    'building helm 3.19.2 for the tests (go install)',
  ]);
  expect(calls()).toEqual([
    'install github.com/nats-io/nats-server/v2@v2.15.2',
    'install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3',
    'install helm.sh/helm/v3/cmd/helm@v3.19.2',
  ]);
  expect(findTool('nats-server')).toBe(path.join(folder, 'cache/hifi/bin/nats-server-2.15.2/nats-server'));
  expect(await setUp()).toEqual([]);
  expect(calls()).toHaveLength(3);
});

it('uses the tools on PATH', async () => {
  fakeGo('exit 1');
  for (const name of ['nats-server', 'grpcurl', 'helm']) program(path.join(folder, 'bin', name), '');
  expect(await setUp()).toEqual([]);
  expect(findTool('grpcurl')).toBe(path.join(folder, 'bin/grpcurl'));
});

it('continues without Go, with a line for each tool; its tests name the command', async () => {
  expect(await setUp()).toEqual([
    'tests of NATS will fail: nats-server is not on PATH and could not be built: Go (https://go.dev) is missing too',
    'tests of gRPC will fail: grpcurl is not on PATH and could not be built: Go (https://go.dev) is missing too',
    'tests of the Helm chart will fail: helm is not on PATH and could not be built: Go (https://go.dev) is missing too',
  ]);
  expect(() => findTool('nats-server')).toThrow(
    /^this test needs nats-server: npm test builds it where Go is, else put it on PATH \(go install github\.com\/nats-io\/\S+@v2\.15\.2\)$/,
  );
  expect(() => findTool('jaeger-all-in-one')).toThrow(/^this test needs jaeger-all-in-one on PATH$/);
  expect(hasTool('jaeger-all-in-one')).toBe(false);
});

it('continues after a failed build, leaves nothing of it and tries again the next time', async () => {
  fakeGo('echo half > "$GOBIN/nats-server"; echo "go: no such version" >&2; exit 1');
  for (let run = 0; run < 2; run++) {
    expect(await setUp()).toContain(
      'tests of NATS will fail: nats-server is not on PATH and could not be built: go: no such version',
    );
    expect(findProgram('nats-server')).toBeUndefined();
    expect(fs.readdirSync(path.join(folder, 'cache/hifi/bin'))).toEqual([]);
  }
});
