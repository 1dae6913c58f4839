import { HEAD_TUNES, rolesOf, tuneOf } from '../../heads/tune';

test.each([
  ['qkv', 'qkv'],
  ['vo', 'vo'],
  ['ov', 'vo'],
  ['o,v,k,q', 'qkvo'],
  ['q, k', 'qk'],
  ['q,vo', 'qvo'],
  ['neurons', 'neurons'],
])('%j is %j', (text, tune) => expect(tuneOf(text)).toBe(tune));

test.each(['', ',', 'q,', 'qq', 'q,k,q', 'Q', 'qx', 'q k', 'o;v', 'neuron', 'q,neurons'])('%j is no set', (text) => {
  expect(tuneOf(text)).toBeUndefined();
});

test('every set of letters is listed once, in its own order', () => {
  const sets = HEAD_TUNES.map((tune) => rolesOf(tune).join(''));
  expect(sets).toEqual(HEAD_TUNES);
  expect(new Set(sets).size).toBe(15);
  for (const tune of HEAD_TUNES) expect(tuneOf([...tune].reverse().join(','))).toBe(tune);
});
