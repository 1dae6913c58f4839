import { nextParts, type Waiting } from '../../inference/waiting';

/** Request with this many texts of this many characters. */
const waiting = (texts: number, characters: number, done = 0, deltas = 1): Waiting => ({
  request: {
    model: 'm',
    deltas: Array.from({ length: deltas }, (_, i) => `d${i}`),
    texts: Array.from({ length: texts }, (_, i) => `${i} `.padEnd(characters, 'x')),
  },
  done,
  answers: [],
  resolve() {},
  reject() {},
});
const taken = (all: readonly Waiting[]) =>
  nextParts(all).map(({ of, request }) => [all.indexOf(of), request.texts.length]);

describe('the next call of the engine', () => {
  it('has a text of each request in turn, whatever the first one still has', () => {
    const all = [waiting(10_000, 84), waiting(1, 84), waiting(3, 84)];
    const [[, many], ...others] = taken(all);
    expect(others).toEqual([
      [1, 1],
      [2, 3],
    ]);
    // 8,192 characters, of which each text counts 100.
    expect(many).toBe(82 - 4);
  });

  it('goes on where a request is, with at least one text', () => {
    const all = [waiting(3, 50_000, 2)];
    const [{ request }] = nextParts(all);
    expect(request.texts).toEqual([all[0].request.texts[2]]);
  });

  it('counts a text for each of its deltas', () => {
    expect(taken([waiting(100, 84, 0, 40)])).toEqual([[0, 3]]);
  });

  it('has a request without texts, which loads', () => {
    expect(taken([waiting(0, 0), waiting(1, 84)])).toEqual([
      [0, 0],
      [1, 1],
    ]);
  });
});
