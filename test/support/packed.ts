import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';

export const checkout = path.join(__dirname, '../..');
export const manifest = JSON.parse(fs.readFileSync(path.join(checkout, 'package.json'), 'utf8'));

/** Without the hook that lets the tests' processes run the sources. */
export function withoutHook(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _, ...env } = process.env;
  return env;
}

/** A project elsewhere that has the package, and of other packages those that it lists as its dependencies. */
export interface Project {
  folder: string;
  /** The package in it. */
  installed: string;
  /** Runs a command there to its end. @throws Error with what it printed where it fails */
  run(command: string, ...args: string[]): string;
  /** TypeScript's compiler, strict, on all declarations too. */
  tsc(...args: string[]): string;
}

/**
 * What `npm pack` makes of the build, unpacked into a new project whose other packages are links to this checkout's.
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
