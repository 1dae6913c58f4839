import { invalidPart, invalidValue } from '../foundation/errors';

/** Largest number of items per page. */
const MOST = 1000;

/** Page fields of a list request. */
interface PageRequest {
  pageSize?: number;
  pageToken?: string;
}

/**
 * Returns a page of a list.
 *
 * @param itemsAfter returns all items after that of a key, which may be deleted; without a key all
 * @param keyOf returns an item's key; the next page's token holds that of the last item
 * @param isKey returns true for a valid key of an item
 * @param defaultSize number of items if the client gives none
 * @throws HifiError INVALID_INPUT for a size out of range or an invalid token
 */
export async function pageOf<T>(
  itemsAfter: (key?: string) => Iterable<T> | AsyncIterable<T>,
  keyOf: (item: T) => string,
  isKey: (text: string) => boolean,
  { pageSize = 0, pageToken = '' }: PageRequest,
  defaultSize: number,
): Promise<{ page: T[]; nextPageToken: string }> {
  const size = pageSize || defaultSize;
  if (size > MOST) throw invalidValue({ field: 'page_size', value: String(size), expected: `1 to ${MOST}` });
  const page: T[] = [];
  for await (const item of itemsAfter(pageToken === '' ? undefined : keyIn(pageToken, isKey))) {
    if (page.length === size) {
      return { page, nextPageToken: Buffer.from(keyOf(page[size - 1])).toString('base64url') };
    }
    page.push(item);
  }
  return { page, nextPageToken: '' };
}

function keyIn(token: string, isKey: (text: string) => boolean): string {
  const key = Buffer.from(token, 'base64url').toString();
  // Decoding ignores invalid characters.
  if (Buffer.from(key).toString('base64url') === token && isKey(key)) return key;
  throw invalidPart('page_token', 'page_token is not a token of this service; start again without it');
}
