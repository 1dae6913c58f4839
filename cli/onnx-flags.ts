import { type Command, Option } from 'commander';
import type { OnnxModel } from '../delta/onnx-folder';
import { invalidInput } from '../foundation/errors';
import { ONNX_DTYPES, type OnnxDtype } from '../model/onnx-dtype';
import { someOf } from './flag-values';
import type { Flags } from './flags';
import { bytesText, metricText, table } from './output';

const DEFAULT: readonly OnnxDtype[] = ['fp32'];

/** Adds `--onnx-dtype`. */
export function addOnnxDtypeFlag(command: Command): void {
  const what =
    'number types of an ONNX export, one file each: fp32; fp16, half the size, for GPUs (a CPU computes it in float32); ' +
    'q8, a quarter of the size, 8-bit integers for browsers and CPUs';
  const option = new Option('--onnx-dtype <types>', what).argParser(someOf('--onnx-dtype', ONNX_DTYPES));
  command.addOption(option.default(DEFAULT, DEFAULT.join()));
}

/**
 * Reads `--onnx-dtype`.
 *
 * @param onnx true if the command writes an ONNX folder
 * @param needs the flag that requests one
 * @throws HifiError INVALID_INPUT for types other than the default without an ONNX folder
 */
export function onnxDtypeFlag({ onnxDtype }: Flags, onnx: boolean, needs: string): OnnxDtype[] {
  const types = onnxDtype as OnnxDtype[];
  if (!onnx && types.join() !== DEFAULT.join()) throw invalidInput(`--onnx-dtype ${types.join(',')} needs ${needs}`);
  return types;
}

/** Table of an ONNX folder's files, with their dev metric if they were evaluated. */
export function onnxTable(models: readonly OnnxModel[], metric?: string): string[] {
  const head = ['ONNX file', 'type', 'size', 'largest logit difference', ...(metric ? [`dev ${metric}`] : [])];
  const rows = models.map(({ dtype, file, bytes, largestDifference, dev }) => [
    file,
    dtype,
    bytesText(bytes),
    largestDifference.toPrecision(2),
    ...(metric ? [dev?.[metric] === undefined ? '–' : metricText(dev[metric])] : []),
  ]);
  return table([head, ...rows], [2, 3, 4]);
}
