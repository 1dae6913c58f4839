import type { Command } from 'commander';
import { invalidInput } from '../errors';
import { EXPORT_FORMATS } from '../gateway/job';
import { replaceFolder } from '../gateway/place';
import { openCheckpoint } from '../model/checkpoint';
import { type ExportDtype, exportCheckpoint } from '../trainer/checkpoint-export';
import { readDelta } from '../trainer/delta';
import { UNDO_FILE, undoCheckpoint } from '../trainer/undo';
import { oneOf } from './flag-values';
import { addJsonFlag, addOutFlags, type Flags } from './flags';
import { printJson } from './output';
import { inSession, modelFolder, type Session } from './session';

/** What a model folder holds; the first is in each. */
const MODEL_FILES = [
  'model.safetensors',
  'config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'vocab.txt',
];
const DTYPES: readonly ExportDtype[] = ['float32', 'base'];

export function define(command: Command): void {
  command.option('--model <folder or name>', 'the base model');
  command.option('--offline', 'download nothing: a model by name must be in the cache');
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
    flags.undo === undefined ? merge(flags, out, session) : undo(flags, out),
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
    const { notes } = await replaceFolder(out, [UNDO_FILE, ...MODEL_FILES], flags.overwrite === true, (folder) =>
      exportCheckpoint({ checkpoint, delta, dtype, out: folder }),
    );
    for (const note of notes) session.progress.say(`note: ${note}`);
    return { format: 'checkpoint', dtype, notes };
  } finally {
    checkpoint.close();
  }
}

async function undo(flags: Flags, out: string) {
  const extra = ['model', 'delta', 'format', 'dtype'].find((name) => flags[name] !== undefined);
  if (extra !== undefined) throw invalidInput(`--${extra} does not go with --undo, which needs --out alone`);
  return replaceFolder(out, MODEL_FILES, flags.overwrite === true, async (folder) =>
    undoCheckpoint(flags.undo as string, folder),
  );
}
