import * as fs from 'node:fs';
import * as os from 'node:os';
import type { Device } from '../foundation/device';
import { invalidInput, unsupported } from '../foundation/errors';

/** Processor as its system describes it. */
export interface Processor {
  /** Name of the model. */
  model: string;
  /** Flags of its instruction sets, separated by spaces; empty if the system does not list them. */
  flags: string;
}

/**
 * Instruction set that oneDNN 3.5 needs for products of float32 numbers in bfloat16. Without it,
 * such as with avx512_bf16 alone, oneDNN computes them in float32 and says nothing.
 */
const NEEDED = 'amx_bf16';

/** Describes this machine's processor. Linux alone lists the flags. */
export function thisProcessor(): Processor {
  const model = os.cpus()[0]?.model ?? 'unknown';
  if (process.platform !== 'linux' || process.arch !== 'x64') return { model, flags: '' };
  const [, flags = ''] = /^flags\s*:(.*)$/m.exec(fs.readFileSync('/proc/cpuinfo', 'utf8')) ?? [];
  return { model, flags: flags.trim() };
}

/** Returns true if TensorFlow's matrix products can run in bfloat16. */
export const hasBfloat16 = ({ flags }: Processor): boolean => flags.split(' ').includes(NEEDED);

/**
 * Checks that precision bf16 can be used.
 *
 * @throws HifiError UNSUPPORTED if the processor lacks it; INVALID_INPUT for device cuda
 */
export function requireBfloat16(device: Device, processor: Processor = thisProcessor()): void {
  if (device === 'cuda') {
    throw invalidInput('precision bf16 is for the CPU and the device is cuda; use device cpu, or precision float32');
  }
  if (hasBfloat16(processor)) return;
  throw unsupported(
    `precision bf16 needs a processor with ${NEEDED}, and this one (${processor.model}) lacks it; use precision float32`,
  );
}
