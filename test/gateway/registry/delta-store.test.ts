import { type DeltaContent, promoted, without, withVersion } from '../../../gateway/registry/named-delta';
import type { JobStore } from '../../../gateway/store';
import { until } from '../../support/until';
import { STORES } from '../store-kinds';

/* The behaviour of registered deltas in every store. */
describe.each(STORES)('$name', (kind) => {
  beforeAll(() => kind.start());
  afterEach(() => kind.clear());
  afterAll(() => kind.stop());

  const content = (info: string, tensors = info): DeltaContent => ({
    files: { info, tensors },
    base: { name: 'base', sha256: 'b'.repeat(64) },
  });
  const register = ({ deltas }: JobStore, name: string, info: string, tensors?: string) =>
    deltas.change(name, (before) => withVersion(before, name, content(info, tensors), 1).after);
  const names = ({ deltas }: JobStore, from?: string) => [...deltas.list(from)].map(({ name }) => name);

  test('no change of concurrent gateways is lost', async () => {
    const one = await kind.open();
    const stores = [one, await kind.another(one)];
    const infos = Array.from({ length: 24 }, (_, i) => `file ${i}`);
    await Promise.all(infos.map((info, i) => register(stores[i % 2], 'shared', info)));
    const { delta } = await stores[1].deltas.get('shared');
    expect(delta?.versions.map(({ version }) => version)).toEqual(infos.map((_, i) => i + 1));
    expect(delta?.versions.map(({ files }) => files.info).sort()).toEqual(infos.sort());
  });

  test('records survive a restart, and lists are sorted', async () => {
    let store = await kind.open();
    for (const name of ['b', 'C', 'a.1', 'a']) await register(store, name, name);
    await store.deltas.change('b', (before) => promoted(before!, 'prod', 1));
    await store.deltas.change('a.1', (before) => without(before!, { name: 'a.1' }));
    const before = await store.deltas.get('b');
    store = await kind.reopen(store);
    expect(await store.deltas.get('b')).toEqual(before);
    expect(before.delta).toMatchObject({ name: 'b', last: 1, aliases: { prod: [1] } });
    expect([names(store), names(store, 'a.')]).toEqual([['C', 'a', 'b'], ['b']]);
    expect((await store.deltas.get('none')).delta).toBeUndefined();
    // The number of a deleted version is not used again.
    expect((await register(store, 'a.1', 'new')).versions).toMatchObject([{ version: 2 }]);
  });

  test('a change that is refused changes nothing; every other one gives another revision', async () => {
    const store = await kind.open();
    const revision = async () => (await store.deltas.get('n')).revision;
    const seen = [await revision()];
    for (const info of ['1', '2']) {
      await register(store, 'n', info);
      seen.push(await revision());
    }
    await register(store, 'other', '1');
    seen.push(await revision());
    expect(new Set(seen).size).toBe(4);
    const refused = store.deltas.change('n', () => {
      throw new Error('refused');
    });
    await expect(refused).rejects.toThrow('refused');
    await register(store, 'n', '2');
    expect(await revision()).toBe(seen[3]);
    expect((await store.deltas.get('n')).delta?.versions).toHaveLength(2);
  });

  test('files of a version are in use until it is deleted', async () => {
    const store = await kind.open();
    const [one, two, three] = ['1', '2', '3'].map((digit) => digit.repeat(64));
    await register(store, 'n', one, two);
    await register(store, 'n', one, three);
    await register(store, 'other', three);
    const used = () => Promise.all([one, two, three].map((sha256) => store.uses(sha256)));
    expect(await used()).toEqual([true, true, true]);
    await store.deltas.change('n', (before) => without(before!, { name: 'n', version: 1 }));
    expect(await used()).toEqual([true, false, true]);
    await store.deltas.change('n', (before) => without(before!, { name: 'n' }));
    expect(await used()).toEqual([false, false, true]);
  });

  test('each gateway hears of a change', async () => {
    const one = await kind.open();
    const other = await kind.another(one);
    let heard = 0;
    const stop = other.deltas.onChange(() => heard++);
    await register(one, 'n', '1');
    await until(
      () => [heard, ...names(other)],
      (now) => now.join() === '1,n',
      'the change',
    );
    stop();
    await register(other, 'n', '2');
    expect(heard).toBe(1);
  });
});
