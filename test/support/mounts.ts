import { spawnSync } from 'node:child_process';

/** True if this user may mount file systems, in a mount namespace that ends with the process. */
export const mayMount = spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'none', '/mnt']).status === 0;

if (!mayMount) process.stderr.write('this user may not mount file systems: tests that need one are left out\n');

/**
 * Runs a shell script in its own mount namespace, which ends with the script.
 *
 * @returns its standard output
 */
export function withMounts(script: string): string {
  const { status, stdout, stderr } = spawnSync('unshare', ['--mount', 'sh', '-euc', script], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the script ended with ${status}: ${stderr}`);
  return stdout;
}
