import type { Command } from 'commander';
import type { Prediction } from '../delta/inference-options';
import { follow } from '../foundation/follow';
import { WholeFile } from '../foundation/whole-file';
import { claimFile } from '../job/out';
import { predict } from '../trainer/training-engine';
import { aPath } from './flag-values';
import { add, type Flags } from './flags';
import { printText } from './output';
import { inSession, type Session, show } from './session';
import { addTunedModelFlags, tunedModelRequest } from './tuned-model';

export function define(command: Command): void {
  addTunedModelFlags(command, false);
  add(command, '--out <file>', 'where the lines go (default: stdout)', aPath('file'));
  command.option('--overwrite', 'replace what is in --out');
  command.action(predictRows);
}

async function predictRows(flags: Flags): Promise<void> {
  const out = flags.out as string | undefined;
  if (out !== undefined) claimFile(out, flags.overwrite === true);
  await inSession(async (session) => {
    const file = out === undefined ? undefined : new WholeFile(out);
    const array = flags.json ? new JsonArray() : undefined;
    const held: string[][] = [];
    try {
      await eachPart(flags, session, async (rows) => {
        const lines = rows.map((row) => JSON.stringify(row));
        file?.write(`${lines.join('\n')}\n`);
        if (file && array) held.push(lines);
        else if (!file) await printText(array ? array.next(lines) : `${lines.join('\n')}\n`);
      });
      // The file is in its place before anything is printed: who reads that may leave.
      file?.commit();
      for (const lines of held) await printText(array!.next(lines));
      if (array) await printText(array.end());
    } finally {
      file?.abandon();
    }
  });
  if (out !== undefined) process.stderr.write(`${out}\n`);
}

/** Gives the predictions, some rows at a time, in the order of the file. */
async function eachPart(flags: Flags, session: Session, use: (rows: Prediction[]) => Promise<void>): Promise<void> {
  const request = await tunedModelRequest(flags, false, session);
  await follow(predict(request, session.signal), async (event) => {
    const told = event.kind === 'progress' ? { ...event, stage: 'predict' } : event;
    if (told.kind !== 'rows') return show(session, told);
    // On one terminal the lines and the bar would tear each other.
    if (flags.out === undefined && process.stdout.isTTY) session.progress.stop();
    await use(told.rows);
  });
}

/** One JSON array, piece by piece. */
class JsonArray {
  private started = false;

  next(items: readonly string[]): string {
    const text = `${this.started ? ',' : '['}${items.join(',')}`;
    this.started = true;
    return text;
  }

  end(): string {
    return this.started ? ']\n' : '[]\n';
  }
}
