import type { Command } from 'commander';
import type { ExportDtype } from '../delta/checkpoint-export';
import { EXPORT_FORMATS, type ExportFormat } from '../delta/export-request';
import { undoCheckpoint } from '../delta/undo';
import { breathe } from '../foundation/breathe';
import { invalidInput } from '../foundation/errors';
import { follow } from '../foundation/follow';
import { claimFolder, replaceFolder } from '../job/out';
import { EXPORT_FOLDERS, MODEL_FOLDER } from '../job/own-folders';
import { exportModel } from '../trainer/training-engine';
import { aPath, oneOf } from './flag-values';
import { add, addHubFlags, type Flags } from './flags';
import { addOnnxDtypeFlag, onnxDtypeFlag, onnxTable } from './onnx-flags';
import { printJson } from './output';
import { addJsonFlag, addOutFlag, addRuleFlags } from './output-flags';
import { inSession, modelFolder, type Session, show } from './session';

const DTYPES: readonly ExportDtype[] = ['float32', 'base'];

export function define(command: Command): void {
  add(command, '--model <folder or name>', 'base model', aPath('model'));
  addHubFlags(command);
  add(command, '--delta <folder>', "a training's delta", aPath('folder'));
  add(command, '--format <name>', `what to write: ${EXPORT_FORMATS.join(', ')}`, oneOf('--format', EXPORT_FORMATS));
  add(
    command,
    '--dtype <type>',
    "number type of a checkpoint: float32 (the default), or base: rounded to the base's own type",
    oneOf('--dtype', DTYPES),
  );
  addOnnxDtypeFlag(command);
  add(
    command,
    '--undo <folder>',
    'merged checkpoint from which to rebuild the base, instead of an export',
    aPath('folder'),
  );
  addOutFlag(command, 'a new folder', 'folder');
  addRuleFlags(command);
  addJsonFlag(command);
  command.action(exportOrUndo);
}

async function exportOrUndo(flags: Flags): Promise<void> {
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
      throw invalidInput(`--${needed} is missing; give --model, --delta and --format, or --undo`);
    }
  }
  const format = flags.format as ExportFormat;
  if (flags.dtype !== undefined && format !== 'checkpoint') {
    throw invalidInput(
      `--dtype needs --format checkpoint; ${format === 'onnx' ? 'for onnx give --onnx-dtype' : 'peft is float32'}`,
    );
  }
  const onnxDtypes = onnxDtypeFlag(flags, format === 'onnx', '--format onnx');
  claimFolder(out, EXPORT_FOLDERS[format], flags.overwrite === true);
  const dtype = (flags.dtype as ExportDtype | undefined) ?? 'float32';
  const source = { format, model: await modelFolder(flags, session), delta: flags.delta as string, dtype, onnxDtypes };
  const { notes, onnx } = await replaceFolder(out, EXPORT_FOLDERS[format], flags.overwrite === true, (folder) =>
    follow(exportModel({ ...source, out: folder }, session.signal), (event) => show(session, event)),
  );
  for (const note of notes) session.progress.say(`note: ${note}`);
  if (onnx) for (const line of onnxTable(onnx)) session.progress.say(line);
  return { format, dtype, notes, ...(onnx && { onnx }) };
}

async function undo(flags: Flags, out: string, session: Session) {
  const { model, delta, format, dtype } = flags;
  const given = Object.entries({ model, delta, format, dtype });
  const [extra] = given.find(([, value]) => value !== undefined) ?? [];
  if (extra !== undefined) throw invalidInput(`--${extra} excludes --undo, which needs only --out`);
  onnxDtypeFlag(flags, false, '--format onnx');
  return replaceFolder(out, MODEL_FOLDER, flags.overwrite === true, async (folder) => {
    await breathe(session.signal);
    const rebuilt = undoCheckpoint(flags.undo as string, folder);
    await breathe(session.signal);
    return rebuilt;
  });
}
