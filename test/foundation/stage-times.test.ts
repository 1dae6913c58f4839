import type { StageProgress } from '../../foundation/progress';
import { timedStages } from '../../foundation/stage-times';

const progress = (stage: string, done: number): StageProgress => ({
  kind: 'progress',
  stage,
  done,
  total: 2,
  unit: '',
});

test('times the whole and each stage from its first event to its last, and passes progress alone on', async () => {
  let now = 0;
  const clock = jest.spyOn(performance, 'now').mockImplementation(() => now);
  async function* work() {
    now = 1_000;
    yield progress('read', 0);
    now = 3_500;
    yield progress('read', 2);
    yield { kind: 'warning' as const };
    now = 4_000;
    yield progress('once', 1);
    yield { kind: 'interval' as const };
    now = 10_000;
    return 'done';
  }
  const events = timedStages(work());
  const seen: StageProgress[] = [];
  for (;;) {
    const { done, value } = await events.next();
    if (!done) {
      seen.push(value);
      continue;
    }
    clock.mockRestore();
    expect(seen).toEqual([progress('read', 0), progress('read', 2), progress('once', 1)]);
    expect([value.result, value.seconds]).toEqual(['done', 10]);
    expect(['read', 'once', 'never'].map(value.of)).toEqual([2.5, 0, 0]);
    return;
  }
});

test('ends the work when its reader leaves', async () => {
  let ended = false;
  async function* work() {
    try {
      for (;;) yield progress('endless', 0);
    } finally {
      ended = true;
    }
  }
  for await (const _ of timedStages(work())) break;
  expect(ended).toBe(true);
});
