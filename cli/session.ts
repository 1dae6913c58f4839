import { resolveModel } from '../model/resolve';
import type { Flags } from './flags';
import { interruptSignal } from './interrupt';
import { Progress, type StageEvent } from './progress';

/** What every command that takes a while has: a signal to stop by and a place to tell its progress. */
export interface Session {
  signal: AbortSignal;
  progress: Progress;
}

/** Runs a command's work; the progress bar is gone when it ends, however it ends. */
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

/** The folder of `--model`; a model by name is fetched on first use. It is told: the first that is seen of a command. */
/** The model as it was asked for. */
export const askedModel = ({ model, revision }: Flags) => ({
  model: model as string,
  ...(revision !== undefined && { revision: revision as string }),
});

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
