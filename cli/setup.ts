import type { Command } from 'commander';
import { breathe } from '../foundation/breathe';
import { setUp } from '../infra/native';
import type { Flags } from './flags';
import { inSession } from './session';

export function define(command: Command): void {
  command.option('--gpu', "set up TensorFlow's CUDA build as well", false);
  command.action(setUpParts);
}

async function setUpParts({ gpu }: Flags): Promise<void> {
  await inSession(async ({ progress, signal }) => {
    await setUp({
      gpu: gpu === true,
      log: (line) => progress.say(line),
      onProgress: (event) => progress.at(event),
      signal,
    });
    await breathe(signal);
    progress.say('the native parts are ready');
  });
}
