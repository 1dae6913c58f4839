import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';

export const checkout = path.join(__dirname, '../..');
export const manifest = JSON.parse(fs.readFileSync(path.join(checkout, 'package.json'), 'utf8'));

/** Environment without the hook that lets the tests' processes run the sources. */
export function withoutHook(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _, ...env } = process.env;
  return env;
}

/** Project elsewhere that has the package and the package's dependencies. */
export interface Project {
  folder: string;
  /** Folder of the package. */
  installed: string;
  /** Runs a command there to its end. @throws Error with its output if it fails */
  run(command: string, ...args: string[]): string;
  /** Runs TypeScript's compiler, strict, also on all declarations. */
  tsc(...args: string[]): string;
}

/**
 * Unpacks `npm pack`'s package into a new project with links to this checkout's other packages.
 *
 * @param without packages that the project lacks
 */
export function packedProject(without: readonly string[] = []): Project {
  const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-package-')));
  const installed = path.join(folder, 'node_modules', manifest.name);
  const run = (command: string, ...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(command, args, { cwd: folder, env: withoutHook(), encoding: 'utf8' });
    if (status !== 0) throw new Error(`${command} ${args.join(' ')}: status ${status}\n${stderr}${stdout}`);
    return stdout;
  };
  run('npm', 'pack', checkout, '--ignore-scripts', '--silent', '--pack-destination', folder);
  fs.mkdirSync(installed, { recursive: true });
  run('tar', '-xzf', `${manifest.name}-${manifest.version}.tgz`, '-C', installed, '--strip-components=1');
  for (const name of Object.keys(manifest.dependencies)) {
    if (without.includes(name)) continue;
    const link = path.join(folder, 'node_modules', name);
    fs.mkdirSync(path.dirname(link), { recursive: true });
    fs.symlinkSync(path.join(checkout, 'node_modules', name), link);
  }
  const compiler = path.join(checkout, 'node_modules/typescript/bin/tsc');
  const tsc = (...args: string[]) =>
    run(process.execPath, compiler, '--ignoreConfig', '--strict', '--target', 'es2022', ...args);
  return { folder, installed, run, tsc };
}
