import type { Command } from 'commander';
import { failed } from '../foundation/errors';
import { type Check, examine } from '../infra/doctor';
import type { Flags } from './flags';
import { printJson, table, writeLines } from './output';
import { addJsonFlag } from './output-flags';

export function define(command: Command): void {
  addJsonFlag(command);
  command.action(doctor);
}

async function doctor(flags: Flags): Promise<void> {
  const checks = await examine();
  const missing = checks.filter(({ ok, required }) => required && !ok);
  writeLines(checkTable(checks));
  if (flags.json) await printJson({ ok: missing.length === 0, checks });
  if (missing.length > 0) throw failed(`missing: ${missing.map(({ name }) => name).join(', ')}`);
}

function checkTable(checks: readonly Check[]): string[] {
  const lines = table(
    checks.map(({ name, ok, required, found }) => [ok ? 'ok' : required ? 'MISSING' : '–', name, found]),
  );
  return checks.flatMap(({ mend }, i) => (mend ? [lines[i], `         ${mend}`] : [lines[i]]));
}
