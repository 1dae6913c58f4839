#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { traceOf } from '../foundation/errors';
import { exitOf, usageExit } from './exit';
import { endWithReader } from './interrupt';
import { printNow } from './output';
import { packageVersion } from './version';

/**
 * Module of a command, which adds flags and the action. It is loaded only if the command is named,
 * so that hifi starts fast.
 */
interface CommandFile {
  define(command: Command): void;
}

const COMMANDS: readonly [name: string, what: string, load: () => CommandFile][] = [
  ['run', 'analyse, select, train and export in one command', () => require('./run') as typeof import('./run')],
  ['init', 'write a commented settings file for run --config', () => require('./init') as typeof import('./init')],
  [
    'analyze',
    'measure and rank the attention heads of a model on a dataset',
    () => require('./analyze') as typeof import('./analyze'),
  ],
  [
    'select',
    'select the heads to tune, from heads.json or scores.json',
    () => require('./select') as typeof import('./select'),
  ],
  ['score', 'score the heads by gradients, for select --scores', () => require('./score') as typeof import('./score')],
  ['train', 'tune the heads of a mask', () => require('./train') as typeof import('./train')],
  ['evaluate', 'evaluate a tuned model on labelled rows', () => require('./evaluate') as typeof import('./evaluate')],
  [
    'predict',
    'predict labels and logits with a tuned model, one JSON line per row',
    () => require('./predict') as typeof import('./predict'),
  ],
  [
    'ablate',
    'measure a tuned model with its tuned heads, and others, gated off',
    () => require('./ablate') as typeof import('./ablate'),
  ],
  [
    'export',
    'write a delta as a merged checkpoint, a PEFT adapter or an ONNX folder, or rebuild the base',
    () => require('./export') as typeof import('./export'),
  ],
  [
    'compare',
    'compare strategies, full fine-tuning and logistic regression on one dataset, over several seeds',
    () => require('./compare') as typeof import('./compare'),
  ],
  [
    'serve',
    'serve jobs, analyses and trainings to other programs, over gRPC',
    () => require('./serve') as typeof import('./serve'),
  ],
  [
    'jobs',
    'list, show, watch, cancel and delete the jobs of a gateway',
    () => require('./jobs') as typeof import('./jobs'),
  ],
  [
    'registry',
    'name deltas at a gateway, with versions and aliases such as prod',
    () => require('./registry') as typeof import('./registry'),
  ],
  [
    'completion',
    'print a script by which a shell completes commands, flags and their values',
    () => require('./completion') as typeof import('./completion'),
  ],
  ['setup', 'download and build the native parts (TensorFlow)', () => require('./setup') as typeof import('./setup')],
  [
    'doctor',
    'check this machine for everything that hifi needs',
    () => require('./doctor') as typeof import('./doctor'),
  ],
];

const VERBOSE = '--verbose';

/**
 * Adds `--verbose` to every command, in its last group. `main` reads it when an error ends the
 * command.
 */
function addVerboseFlag(command: Command): void {
  if (command.commands.length > 0) command.commands.forEach(addVerboseFlag);
  else command.option(VERBOSE, 'print the causes and stack traces of an error too');
}

async function main(args: readonly string[]): Promise<void> {
  endWithReader();
  const program = new Command('hifi')
    .description('Find the attention heads that matter for a task, and tune only those.')
    .version(packageVersion(), '--version')
    .exitOverride()
    .configureOutput({
      writeOut: printNow,
      outputError: (message, write) => write(`${usageExit(message).line}\n`),
    });
  for (const [name, what, load] of COMMANDS) {
    const command = program.command(name).description(what);
    if (!args.includes(name) && args[0] !== 'completion') continue;
    load().define(command);
    addVerboseFlag(command);
  }
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (thrown) {
    if (thrown instanceof CommanderError) {
      // Already printed: help and the version to stdout, bad usage to stderr.
      process.exitCode = thrown.exitCode === 0 ? 0 : usageExit(thrown.message).code;
      return;
    }
    const verbose = args.includes(VERBOSE);
    const { line, code } = exitOf(thrown, verbose);
    process.stderr.write(`${line}\n${verbose ? `${traceOf(thrown)}\n` : ''}`);
    process.exitCode = code;
  }
}

void main(process.argv.slice(2));
