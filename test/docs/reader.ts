import { spawn, spawnSync } from 'node:child_process';
import * as crypto from 'node:crypto';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { cached, isCached } from '../../infra/cache';
import { type Block, blocksOf, outputsIn, scriptOf, shows } from './page';

export const checkout = path.join(__dirname, '../..');

/** Blocks of a page, by its path in the checkout. */
export const pageOf = (name: string) => blocksOf(path.join(checkout, name));

export interface Ended {
  status: number | null;
  /** stdout and stderr, mixed as on a terminal. */
  printed: string;
}

/** Packages that pages import, besides this one. */
const IMPORTED = ['@huggingface/transformers', 'onnxruntime-node'];

/** Folder of a reader after set-up: `npx hifi` is the build, and `hifi-heads` can be imported. */
export class Reader {
  readonly folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-docs-')));
  readonly env: NodeJS.ProcessEnv;

  constructor() {
    // Without the hook that lets the tests' processes run the sources.
    const { NODE_OPTIONS: _, ...env } = process.env;
    this.env = { ...env, npm_config_update_notifier: 'false' };
    const built = spawnSync(process.execPath, [path.join(checkout, 'infra/setup.cjs'), '--build-only'], {
      env: this.env,
      encoding: 'utf8',
    });
    if (built.status !== 0) throw new Error(`the build failed\n${built.stdout}${built.stderr}`);
    fs.writeFileSync(this.at('package.json'), '{}');
    this.link(checkout, 'node_modules/hifi-heads');
    this.link('../hifi-heads/dist/cli/hifi.js', 'node_modules/.bin/hifi');
    for (const name of IMPORTED) this.link(path.join(checkout, 'node_modules', name), `node_modules/${name}`);
  }

  at(...parts: string[]): string {
    return path.join(this.folder, ...parts);
  }

  link(target: string, name: string): void {
    fs.mkdirSync(path.dirname(this.at(name)), { recursive: true });
    fs.symlinkSync(target, this.at(name));
  }

  /** Runs a script in the folder. Processes that it leaves end with it. */
  bash(script: string, more: NodeJS.ProcessEnv = {}): Promise<Ended> {
    return bash(script, this.folder, { ...this.env, ...more });
  }

  /**
   * Runs a page's blocks in order, as one script.
   *
   * @param more values for the page's variables
   * @returns outputs of the blocks
   * @throws Error with the output of a failed block
   */
  async run(name: string, blocks: readonly Block[], more: NodeJS.ProcessEnv = {}): Promise<string[]> {
    const { status, printed } = await this.bash(scriptOf(blocks), more);
    const outputs = outputsIn(printed);
    if (status === 0 && outputs.length === blocks.length) return outputs;
    const failed = blocks[Math.min(outputs.length, blocks.length) - 1];
    throw new Error(`${name}:${failed?.line}: status ${status}\n${printed.slice(-3000)}`);
  }

  remove(): void {
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Runs a script in a folder. All its processes are one process group, which ends with it. */
export function bash(script: string, cwd: string, env: NodeJS.ProcessEnv): Promise<Ended> {
  // No standard input: bash takes Node's pipe for a network connection and may then read .bashrc,
  // which sets its own PATH.
  const child = spawn('bash', ['-c', `exec 2>&1\n${script}`], {
    cwd,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    printed += text;
  });
  const end = () => {
    try {
      process.kill(-child.pid!, 'SIGKILL');
    } catch {
      // The group has already ended.
    }
  };
  child.once('exit', end);
  return new Promise((resolve) => child.once('close', (status) => resolve({ status, printed })));
}

/** Differences between blocks' outputs and the text below them; '' if there are none. */
export function differences(name: string, page: readonly Block[], blocks: readonly Block[], outputs: string[]): string {
  const wrong = blocks.flatMap((block, i) => {
    const shown = page[page.indexOf(block) + 1];
    if (shown?.kind !== 'text' || shows(shown.body, outputs[i])) return [];
    return [`${name}:${shown.line} shows\n${shown.body}but it printed\n${outputs[i]}`];
  });
  return wrong.join('\n');
}

/** Cache folder of a Python environment with the packages of `pins`. */
function pythonFolder(pins: string): string {
  const { stdout: version } = spawnSync('python3', ['--version']);
  return `docs/python-${crypto.createHash('sha256').update(pins).update(version).digest('hex').slice(0, 12)}`;
}

/**
 * Python environment with packages, installed once per version of its source.
 *
 * @param install script that runs in the environment and in `cwd`, and installs the packages
 * @param pins text that determines the packages, or `install` itself
 * @returns environment variables
 */
export async function pythonWith(install: string, pins: string, cwd: string): Promise<NodeJS.ProcessEnv> {
  const environment = await cached(pythonFolder(pins), async (making) => {
    const PATH = [path.join(making, 'bin'), process.env.PATH].join(path.delimiter);
    const { status, printed } = await bash(`python3 -m venv '${making}' && hash -r && ${install}`, cwd, {
      ...process.env,
      PATH,
    });
    if (status !== 0) throw new Error(`the page's Python packages cannot be installed:\n${printed.slice(-3000)}`);
  });
  return { PATH: [path.join(environment, 'bin'), process.env.PATH].join(path.delimiter) };
}

/** Packages of docs/load.md: PyTorch, transformers, PEFT, onnxruntime. */
export const [{ body: PYTORCH }] = pageOf('docs/load.md').filter(({ kind }) => kind === 'sh packages');

/**
 * Describes tests of Python programs that need {@link PYTORCH}, 5 GB. HIFI_TEST_PYTORCH=1 installs
 * the packages once, into the cache. If they are neither cached nor requested, the tests are
 * skipped.
 */
export const withPyTorch =
  process.env.HIFI_TEST_PYTORCH === '1' || isCached(pythonFolder(PYTORCH)) ? describe : describe.skip;
