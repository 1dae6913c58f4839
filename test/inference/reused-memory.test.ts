import { ReusedMemory } from '../../inference/reused-memory';

test('memory is used again for as many numbers, once what it held is settled', () => {
  const memory = new ReusedMemory();
  const [a, b] = [memory.numbers(3), memory.numbers(3)];
  memory.give([a]);
  expect([a, b]).not.toContain(memory.numbers(3));
  memory.settle();
  expect(memory.numbers(4)).toHaveLength(4);
  expect(memory.numbers(3)).toBe(a);
  expect([a, b]).not.toContain(memory.numbers(3));
});

test('no more than 32 MiB wait', () => {
  const memory = new ReusedMemory();
  const large = Array.from({ length: 5 }, () => memory.numbers(2 ** 21)); // 8 MiB each
  memory.give(large);
  memory.settle();
  expect(Array.from({ length: 5 }, () => memory.numbers(2 ** 21)).filter((each) => large.includes(each))).toEqual([
    large[4],
  ]);
});
