import { exitOf } from '../../cli/exit';
import { cancelled, engineLost, failed, HifiError, invalidInput } from '../../errors';
import { SelectionError } from '../../heads/select';

test.each<[unknown, number, string]>([
  [invalidInput('--k is 0'), 2, 'hifi: --k is 0'],
  [new SelectionError('k is 0'), 2, 'hifi: k is 0'],
  [new HifiError('NOT_FOUND', 'no job 7'), 3, 'hifi: no job 7'],
  [failed('the disk is full'), 4, 'hifi: the disk is full'],
  [engineLost('the train engine was ended by SIGKILL'), 4, 'hifi: the train engine was ended by SIGKILL'],
  [new TypeError('x is not a function'), 4, 'hifi: x is not a function'],
  ['thrown text', 4, 'hifi: thrown text'],
  [cancelled(), 130, 'hifi: cancelled'],
  [Object.assign(new Error('aborted'), { name: 'AbortError' }), 130, 'hifi: cancelled'],
  [failed('pip said:\r\n  no network\n'), 4, 'hifi: pip said: no network'],
])('%p ends with %d', (thrown, code, line) => {
  expect(exitOf(thrown)).toEqual({ code, line });
});
