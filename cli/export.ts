import type { Command } from 'commander';
import { invalidInput } from '../errors';
import { EXPORT_FORMATS } from '../gateway/job';
import { replaceFolder } from '../gateway/out';
import { openCheckpoint } from '../model/checkpoint';
import { type ExportDtype, exportCheckpoint } from '../results/checkpoint-export';
import { readDelta } from '../results/delta';
import { undoCheckpoint } from '../results/undo';
import { oneOf } from './flag-values';
import { addHubFlags, addJsonFlag, addOutFlags, type Flags } from './flags';
import { printJson } from './output';
import { CHECKPOINT_FOLDER, MODEL_FOLDER } from './own-folders';
import { inSession, modelFolder, type Session, unlessAborted } from './session';

const DTYPES: readonly ExportDtype[] = ['float32', 'base'];

export function define(command: Command): void {
  command.option('--model <folder or name>', 'the base model');
  addHubFlags(command);
  command.option('--delta <folder>', "a training's delta");
  command.option('--format <name>', `what to write: ${EXPORT_FORMATS.join(', ')}`, oneOf('--format', EXPORT_FORMATS));
  command.option(
    '--dtype <type>',
    "float32 (the default), or base: rounded to the base's own",
    oneOf('--dtype', DTYPES),
  );
  command.option('--undo <folder>', 'rebuild the base from a merged checkpoint instead');
  addOutFlags(command, 'a new folder');
  addJsonFlag(command);
  command.action(exportModel);
}

async function exportModel(flags: Flags): Promise<void> {
  const out = flags.out as string;
  const result = await inSession<object>((session) =>
    flags.undo === undefined ? merge(flags, out, session) : undo(flags, out, session),
  );
  process.stderr.write(`${out}\n`);
  if (flags.json) await printJson({ out, ...result });
}

async function merge(flags: Flags, out: string, session: Session) {
  for (const needed of ['model', 'delta', 'format']) {
    if (flags[needed] === undefined) {
      throw invalidInput(`--${needed} is missing: give --model, --delta and --format, or --undo`);
    }
  }
  const checkpoint = await openCheckpoint(await modelFolder(flags, session));
  try {
    const delta = readDelta(flags.delta as string, checkpoint);
    const dtype = (flags.dtype as ExportDtype | undefined) ?? 'float32';
    const { notes } = await replaceFolder(out, CHECKPOINT_FOLDER, flags.overwrite === true, (folder) =>
      stoppable(session, () => exportCheckpoint({ checkpoint, delta, dtype, out: folder })),
    );
    for (const note of notes) session.progress.say(`note: ${note}`);
    return { format: 'checkpoint', dtype, notes };
  } finally {
    checkpoint.close();
  }
}

async function undo(flags: Flags, out: string, session: Session) {
  const extra = ['model', 'delta', 'format', 'dtype'].find((name) => flags[name] !== undefined);
  if (extra !== undefined) throw invalidInput(`--${extra} does not go with --undo, which needs --out alone`);
  return replaceFolder(out, MODEL_FOLDER, flags.overwrite === true, (folder) =>
    stoppable(session, () => undoCheckpoint(flags.undo as string, folder)),
  );
}

/** A step that blocks the thread: what was told to end before or meanwhile ends, and the step's result does not appear. */
async function stoppable<T>({ signal }: Session, step: () => T | Promise<T>): Promise<T> {
  await unlessAborted(signal);
  const result = await step();
  await unlessAborted(signal);
  return result;
}
