import * as path from 'node:path';
import { cacheFolder } from '../../foundation/cache-folder';
import { lastLines, runCommand } from '../../foundation/command';
import { cached } from '../../infra/cache';
import { isProgram, onPath } from '../../infra/on-path';
import { setUpTestBrowser } from './test-browser';

/** A program that tests start. What they need is a real one: a stand-in would have our own errors. */
export interface TestTool {
  name: string;
  /** Go's name of the program, and the version that is built where PATH has none. */
  module: string;
  version: string;
  /** What cannot be tested without it. */
  tests: string;
}

export const TEST_TOOLS: readonly TestTool[] = [
  { name: 'nats-server', module: 'github.com/nats-io/nats-server/v2', version: '2.15.2', tests: 'NATS' },
  { name: 'grpcurl', module: 'github.com/fullstorydev/grpcurl/cmd/grpcurl', version: '1.9.3', tests: 'gRPC' },
];

/** How long one tool may take to build, in milliseconds: on two cores and from nothing it takes one. */
const BUILD_MS = 600_000;

/** The tool's folder in the cache. */
const folderName = ({ name, version }: TestTool) => `bin/${name}-${version}`;

/**
 * A program by its name: the one on PATH, else the one that set-up built.
 *
 * @returns its path, or `undefined` where neither is there
 */
export function findProgram(name: string): string | undefined {
  const tool = TEST_TOOLS.find((each) => each.name === name);
  const built = tool && path.join(cacheFolder(), folderName(tool), name);
  return onPath(name) ?? (built && isProgram(built) ? built : undefined);
}

/** The command that builds the tool. */
export const installCommand = ({ module, version }: TestTool) => `go install ${module}@v${version}`;

/**
 * Builds the tools that are not there, with Go, into the user's cache folder, and sees to a browser. Where that cannot be done it says so in a
 * line and goes on: the tests that need the tool fail with what is missing, all others run.
 *
 * @param log told a line for each tool that is built or missing; nothing where all is there
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
  await setUpTestBrowser(log);
}

async function build(tool: TestTool, log: (line: string) => void): Promise<void> {
  if ((await runCommand('go', ['version'])).status !== 0) throw new Error('Go (https://go.dev) is not there either');
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
