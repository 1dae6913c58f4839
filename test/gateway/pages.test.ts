import { pageOf } from '../../gateway/pages';

const items = Array.from({ length: 10 }, (_, i) => `item-${i}`);
const after = (key = '') => items.filter((item) => item > key);
const self = (item: string) => item;
const isItem = (text: string) => /^item-\d$/.test(text);

test('consecutive pages have each item once', async () => {
  const seen: string[] = [];
  let pageToken = '';
  do {
    const { page, nextPageToken } = await pageOf(after, self, isItem, { pageSize: 3, pageToken }, 50);
    seen.push(...page);
    pageToken = nextPageToken;
  } while (pageToken !== '');
  expect(seen).toEqual(items);
});

test('the last page has no token, also if it is full', async () => {
  expect(await pageOf(after, self, isItem, { pageSize: 10 }, 50)).toEqual({ page: items, nextPageToken: '' });
  expect((await pageOf(after, self, isItem, {}, 4)).page).toHaveLength(4);
});

test('an item may be deleted between two pages', async () => {
  const { nextPageToken } = await pageOf(after, self, isItem, { pageSize: 3 }, 50);
  const without = (key = '') => after(key).filter((item) => item !== 'item-2');
  const { page } = await pageOf(without, self, isItem, { pageSize: 3, pageToken: nextPageToken }, 50);
  expect(page[0]).toBe('item-3');
});

test('0 is the default size, as in AIP-158', async () => {
  const { page } = await pageOf(after, self, isItem, { pageSize: 0 }, 2);
  expect(page).toHaveLength(2);
});

test('an invalid token is refused', async () => {
  for (const pageToken of ['%%%', '../..', 'a', 'bm9uZQ', Buffer.from('item-').toString('base64url').repeat(20_000)]) {
    await expect(pageOf(after, self, isItem, { pageToken }, 50)).rejects.toThrow(/page_token/);
  }
  await expect(pageOf(after, self, isItem, { pageSize: 1001 }, 50)).rejects.toThrow(
    /page_size is 1001; it must be 1 to 1000/,
  );
});
