import { resolveModel } from '../model/resolve';
import type { Flags } from './flags';
import { interruptSignal } from './interrupt';
import { Progress, type StageEvent } from './progress';

/** Context of a long command: a signal that stops it, and its progress display. */
export interface Session {
  signal: AbortSignal;
  progress: Progress;
}

/** Runs a command's work. The progress bar is removed at the end, in any case. */
export async function inSession<T>(work: (session: Session) => Promise<T>): Promise<T> {
  const progress = new Progress();
  try {
    return await work({ signal: interruptSignal(), progress });
  } finally {
    progress.stop();
  }
}

/** Shows an engine's progress and warnings; other events are left to the caller. */
export function show({ progress }: Session, event: { kind: string }): void {
  if (event.kind === 'progress') progress.at(event as { kind: 'progress' } & StageEvent);
  if (event.kind === 'warning') progress.say(`warning: ${(event as unknown as { message: string }).message}`);
}

/** Returns the requested model, as the flags name it. */
export const requestedModel = ({ model, revision }: Flags) => ({
  model: model as string,
  ...(revision !== undefined && { revision: revision as string }),
});

/** Returns the folder of `--model`, and shows it. A model by name is downloaded on first use. */
export async function modelFolder({ model, revision, offline }: Flags, { signal, progress }: Session): Promise<string> {
  const folder = await resolveModel(model as string, {
    revision: revision as string | undefined,
    offline: offline === true,
    onProgress: ({ done, total }) => progress.at({ stage: 'download', done, total, unit: 'bytes' }),
    onNote: (line) => progress.say(`note: ${line}`),
    signal,
  });
  progress.say(`model ${folder}`);
  return folder;
}
