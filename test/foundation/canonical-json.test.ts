import { createHash } from 'node:crypto';
import { canonicalHash, sortedKeys } from '../../foundation/canonical-json';

test('the order of keys does not matter at any depth; that of a list does', () => {
  const one = { b: [{ d: 1, c: null }], a: undefined, e: 'é' };
  const other = { e: 'é', b: [{ c: null, d: 1 }] };
  expect(JSON.stringify(sortedKeys(one))).toBe('{"b":[{"c":null,"d":1}],"e":"é"}');
  expect(canonicalHash(one)).toBe(canonicalHash(other));
  expect(canonicalHash(one)).toBe(createHash('sha256').update('{"b":[{"c":null,"d":1}],"e":"é"}').digest('hex'));
  expect(canonicalHash([1, 2])).not.toBe(canonicalHash([2, 1]));
});
