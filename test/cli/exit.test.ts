import { exitOf } from '../../cli/exit';
import {
  cancelled,
  diverged,
  engineLost,
  failed,
  HifiError,
  invalidInput,
  traceOf,
  unsupported,
} from '../../foundation/errors';

test.each<[unknown, number, string]>([
  [invalidInput('--k is 0'), 2, 'hifi: --k is 0'],
  [diverged('the loss is NaN'), 4, 'hifi: the loss is NaN'],
  [new HifiError('NOT_FOUND', 'no job 7'), 3, 'hifi: no job 7'],
  [failed('the disk is full'), 4, 'hifi: the disk is full'],
  [unsupported('device cuda does not work here'), 4, 'hifi: device cuda does not work here'],
  [engineLost('the train engine was ended by SIGKILL'), 4, 'hifi: the train engine was ended by SIGKILL'],
  [new TypeError('x is not a function'), 4, 'hifi: x is not a function; --verbose prints the cause'],
  ['thrown text', 4, 'hifi: thrown text; --verbose prints the cause'],
  [cancelled(), 130, 'hifi: cancelled'],
  [Object.assign(new Error('aborted'), { name: 'AbortError' }), 130, 'hifi: cancelled'],
  [failed('pip said:\r\n  no network\n'), 4, 'hifi: pip said: no network'],
])('%p ends with %d', (thrown, code, line) => {
  expect(exitOf(thrown)).toEqual({ code, line });
  expect(exitOf(thrown, true)).toEqual({ code, line: line.replace('; --verbose prints the cause', '') });
});

test('a trace has all causes with their stacks, each once', () => {
  const root = new RangeError('no row 7');
  const error = failed('the file is odd', new Error('row 7 could not be read', { cause: root }));
  root.cause = error;
  const parts = traceOf(error).split('\ncaused by ');
  expect(parts.map((part) => part.split('\n')[0])).toEqual([
    'HifiError: the file is odd',
    'Error: row 7 could not be read',
    'RangeError: no row 7',
  ]);
  for (const part of parts) expect(part).toMatch(/\n +at .*exit\.test\.ts/);
  expect(traceOf(failed('it ended', 'its last words'))).toMatch(/\ncaused by its last words$/);
  expect(traceOf('a text')).toBe('a text');
});
