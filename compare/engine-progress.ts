import { filtered } from '../foundation/follow';
import type { StageProgress } from '../foundation/progress';

/** Progress of an engine, without its other events, such as warnings of a small sample. */
export const progressOf = <Result>(events: AsyncGenerator<{ kind: string }, Result>) =>
  filtered(events, (event): event is StageProgress => event.kind === 'progress');
