import type { Command } from 'commander';
import type { PredictEvent, Prediction } from '../delta/inference-options';
import { follow } from '../foundation/follow';
import { WholeFile } from '../foundation/whole-file';
import { predictAtService } from '../inference/service-predictions';
import { claimFile } from '../job/out';
import { predict } from '../trainer/training-engine';
import { aPath } from './flag-values';
import { add, type Flags } from './flags';
import { addAnalyzerFlags } from './gateway-flags';
import { printText } from './output';
import { inSession, type Session, show } from './session';
import { addTunedModelFlags, serviceRequest, tunedModelRequest } from './tuned-model';

export function define(command: Command): void {
  addTunedModelFlags(command, false);
  addAnalyzerFlags(command);
  command.optionsGroup('Output:');
  add(command, '--out <file>', 'file for the lines (default: stdout)', aPath('file'));
  command.option('--overwrite', 'replace the file in --out');
  command.action(predictRows);
}

async function predictRows(flags: Flags): Promise<void> {
  const out = flags.out as string | undefined;
  if (out !== undefined) claimFile(out, flags.overwrite === true);
  await inSession(async (session) => {
    const file = out === undefined ? undefined : new WholeFile(out);
    const array = flags.json ? new JsonArray() : undefined;
    const pending: string[][] = [];
    try {
      await eachPart(flags, session, async (rows) => {
        const lines = rows.map(lineOf);
        file?.write(`${lines.join('\n')}\n`);
        if (file && array) pending.push(lines);
        else if (!file) await printText(array ? array.next(lines) : `${lines.join('\n')}\n`);
      });
      // The file must be complete before anything is printed: the reader of stdout may leave.
      file?.commit();
      for (const lines of pending) await printText(array!.next(lines));
      if (array) await printText(array.end());
    } finally {
      file?.abandon();
    }
  });
  if (out !== undefined) process.stderr.write(`${out}\n`);
}

/** Passes on the predictions in batches, in the order of the file. */
async function eachPart(flags: Flags, session: Session, use: (rows: Prediction[]) => Promise<void>): Promise<void> {
  await follow(await predictions(flags, session), async (event) => {
    const shown = event.kind === 'progress' ? { ...event, stage: 'predict' } : event;
    if (shown.kind !== 'rows') return show(session, shown);
    // On a terminal, the progress bar would garble the lines.
    if (flags.out === undefined && process.stdout.isTTY) session.progress.stop();
    await use(shown.rows);
  });
}

/** Predictions of an engine, or of a running service. */
async function predictions(flags: Flags, session: Session): Promise<AsyncGenerator<PredictEvent>> {
  const { signal } = session;
  if (flags.analyzer !== undefined) return predictAtService(await serviceRequest(flags, session), signal);
  return predict(await tunedModelRequest(flags, false, session), signal);
}

/** Line of a prediction. Words have no logits. */
const lineOf = ({ logits, ...answer }: Prediction) =>
  JSON.stringify(logits.length > 0 ? { ...answer, logits } : answer);

/** JSON array that is printed in pieces. */
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
