import { invalidPart, invalidValue } from '../foundation/errors';

/** Of a list, items a page. */
const MOST = 1000;

/** What a client asks for. */
interface PageRequest {
  pageSize?: number;
  pageToken?: string;
}

/**
 * A page of a list.
 *
 * @param itemsAfter all items behind the one of that key, which need not be there any more; without
 *   a key all
 * @param keyOf names an item; the token of the next page holds that of the last one seen
 * @param isKey returns true for a valid key of an item
 * @param usual items where the client does not say
 * @throws HifiError INVALID_INPUT for a size out of range, or a token that is none of ours
 */
export function pageOf<T>(
  itemsAfter: (key?: string) => Iterable<T>,
  keyOf: (item: T) => string,
  isKey: (text: string) => boolean,
  { pageSize = 0, pageToken = '' }: PageRequest,
  usual: number,
): { page: T[]; nextPageToken: string } {
  const size = pageSize || usual;
  if (size > MOST) throw invalidValue({ field: 'page_size', value: String(size), expected: `1 to ${MOST}` });
  const page: T[] = [];
  for (const item of itemsAfter(pageToken === '' ? undefined : keyIn(pageToken, isKey))) {
    if (page.length === size) {
      return { page, nextPageToken: Buffer.from(keyOf(page[size - 1])).toString('base64url') };
    }
    page.push(item);
  }
  return { page, nextPageToken: '' };
}

function keyIn(token: string, isKey: (text: string) => boolean): string {
  const key = Buffer.from(token, 'base64url').toString();
  // Decoding passes over what it does not know.
  if (Buffer.from(key).toString('base64url') === token && isKey(key)) return key;
  throw invalidPart('page_token', 'page_token is none that this service gave; begin anew without it');
}
