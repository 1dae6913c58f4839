import { findProgram, installCommand, TEST_TOOLS } from './test-tools';

/**
 * Finds a program that a test starts, by its name.
 *
 * @throws Error with one line on how to install it
 */
export function findTool(name: string): string {
  const found = findProgram(name);
  if (found) return found;
  const tool = TEST_TOOLS.find((each) => each.name === name);
  const how = tool ? `: npm test builds it where Go is, else put it on PATH (${installCommand(tool)})` : ' on PATH';
  throw new Error(`this test needs ${name}${how}`);
}

/** True if a program exists; for optional tests, such as those with traces in Jaeger. */
export const hasTool = (name: string) => findProgram(name) !== undefined;
