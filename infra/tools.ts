import { runCommand } from '../foundation/command';
import { failed } from '../foundation/errors';

/** System program that set-up needs. */
export interface Tool {
  name: string;
  /** Version that it reports, or `null` if it is missing. */
  found: string | null;
  /** Instruction to install it. */
  remedy: string;
}

const TOOLS = [
  {
    name: 'python3',
    command: 'python3',
    args: ['--version'],
    remedy: 'install Python 3 (Debian, Ubuntu: apt-get install python3 python3-pip)',
  },
  {
    name: 'pip',
    command: 'python3',
    args: ['-m', 'pip', '--version'],
    remedy: "install Python's pip (Debian, Ubuntu: apt-get install python3-pip; elsewhere: python3 -m ensurepip)",
  },
  { name: 'make', command: 'make', args: ['--version'], remedy: 'install make (Debian, Ubuntu: apt-get install make)' },
  {
    name: 'C++ compiler',
    command: process.env.CXX || 'c++',
    args: ['--version'],
    remedy: 'install a C++ compiler (Debian, Ubuntu: apt-get install g++), or name it in CXX',
  },
] as const;

/**
 * Looks for Python 3, pip, make and a C++ compiler, which the build of TensorFlow's binding needs.
 */
export async function findTools(): Promise<Tool[]> {
  return Promise.all(
    TOOLS.map(async ({ name, command, args, remedy }) => {
      const { status, output } = await runCommand(command, args);
      return { name, remedy, found: status === 0 ? output.split('\n')[0].trim() : null };
    }),
  );
}

/**
 * Checks that all tools exist. @throws HifiError FAILED naming what is missing and how to install
 * it
 */
export async function requireTools(): Promise<void> {
  const missing = (await findTools()).filter((tool) => tool.found === null);
  if (missing.length === 0) return;
  throw failed(`set-up needs ${missing.map((tool) => `${tool.name}: ${tool.remedy}`).join('; ')}`);
}
