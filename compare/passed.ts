import { filtered } from '../foundation/follow';
import type { StageProgress } from '../foundation/progress';

/** An engine's progress, told on; its other events, warnings of a small sample among them, are of no use here. */
export const passed = <Result>(events: AsyncGenerator<{ kind: string }, Result>) =>
  filtered(events, (event): event is StageProgress => event.kind === 'progress');
