import { Parts } from '../../infra/parts';

const part = (parts: Parts, ended: string[], name: string, error?: Error) =>
  parts.add(async () => {
    await new Promise(setImmediate);
    ended.push(name);
    if (error) throw error;
  });

test('started parts end once, in reverse order', async () => {
  const ended: string[] = [];
  const { started, end } = await Parts.start(async (parts) => {
    for (const name of ['lock', 'store', 'server']) part(parts, ended, name);
    return 7070;
  });
  expect([started, ended]).toEqual([7070, []]);
  await Promise.all([end(), end()]);
  await end();
  expect(ended).toEqual(['server', 'store', 'lock']);
});

test('a part that fails to start ends those before it, and its error is thrown', async () => {
  const ended: string[] = [];
  const starting = Parts.start(async (parts) => {
    part(parts, ended, 'lock');
    part(parts, ended, 'store', new Error('the disk is gone'));
    part(parts, ended, 'server');
    throw new Error('the port is taken');
  });
  await expect(starting).rejects.toThrow('the port is taken');
  expect(ended).toEqual(['server', 'store', 'lock']);
});

test('a part that fails to end does not prevent the others', async () => {
  const ended: string[] = [];
  const { end } = await Parts.start((parts) => {
    part(parts, ended, 'lock');
    part(parts, ended, 'store', new Error('the disk is gone'));
    part(parts, ended, 'server', new Error('a call hangs'));
  });
  await expect(end()).rejects.toThrow('a call hangs');
  expect(ended).toEqual(['server', 'store', 'lock']);
});
