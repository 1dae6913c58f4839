import * as path from 'node:path';
import { cacheFolder } from '../../foundation/cache-folder';
import { lastLines, runCommand } from '../../foundation/command';
import { cached } from '../../infra/cache';
import { isProgram, onPath } from '../../infra/on-path';
import { setUpTestS3 } from './s3';
import { setUpTestBrowser } from './test-browser';

/** Program that tests start. It is the real one: a stand-in would repeat our own errors. */
export interface TestTool {
  name: string;
  /** Go module of the program, and the version that is built if PATH has none. */
  module: string;
  version: string;
  /** Subject of the tests that need it. */
  tests: string;
}

export const TEST_TOOLS: readonly TestTool[] = [
  { name: 'nats-server', module: 'github.com/nats-io/nats-server/v2', version: '2.15.2', tests: 'NATS' },
  { name: 'grpcurl', module: 'github.com/fullstorydev/grpcurl/cmd/grpcurl', version: '1.9.3', tests: 'gRPC' },
  { name: 'helm', module: 'helm.sh/helm/v3/cmd/helm', version: '3.19.2', tests: 'the Helm chart' },
];

/** Longest time of a tool's build, in milliseconds. On two cores a full build takes a minute. */
const BUILD_MS = 600_000;

/** Cache folder of the tool. */
const folderName = ({ name, version }: TestTool) => `bin/${name}-${version}`;

/**
 * Finds a program: the one on PATH, else the one that set-up built.
 *
 * @returns its path, or undefined if neither exists
 */
export function findProgram(name: string): string | undefined {
  const tool = TEST_TOOLS.find((each) => each.name === name);
  const built = tool && path.join(cacheFolder(), folderName(tool), name);
  return onPath(name) ?? (built && isProgram(built) ? built : undefined);
}

/** Command that builds the tool. */
export const installCommand = ({ module, version }: TestTool) => `go install ${module}@v${version}`;

/**
 * Builds missing tools with Go in the user's cache folder, and installs an S3 server and a browser.
 * If that fails, it logs one line and continues. Tests that need the tool fail with that reason;
 * all others run.
 *
 * @param log receives a line for each tool that is built or missing; none if all exist
 */
export async function setUpTestTools(log: (line: string) => void): Promise<void> {
  for (const tool of TEST_TOOLS) {
    if (findProgram(tool.name)) continue;
    const reason = await build(tool, log).then(
      () => undefined,
      (error: Error) => error.message,
    );
    if (reason === undefined) continue;
    log(`tests of ${tool.tests} will fail: ${tool.name} is not on PATH and could not be built: ${reason}`);
  }
  await setUpTestS3(log);
  await setUpTestBrowser(log);
}

async function build(tool: TestTool, log: (line: string) => void): Promise<void> {
  if ((await runCommand('go', ['version'])).status !== 0) throw new Error('Go (https://go.dev) is missing too');
  await cached(folderName(tool), async (folder) => {
    log(`building ${tool.name} ${tool.version} for the tests (go install)`);
    const [command, ...args] = installCommand(tool).split(' ');
    const signal = AbortSignal.timeout(BUILD_MS);
    const { status, output } = await runCommand(command, args, { env: { GOBIN: folder }, signal }).catch(() => {
      throw new Error(`not done after ${BUILD_MS / 60_000} minutes`);
    });
    if (status !== 0) throw new Error(lastLines(output, 1)[0] ?? `go ended with status ${status}`);
  });
}
