import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { readHeads, readMask, readMetrics, readScores, writeJson } from '../../job/files';
import { sampleMask, sampleMetrics, sampleReport, sampleScores } from './sample-results';

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-files-'));
afterAll(() => fs.rmSync(scratch, { recursive: true }));
let count = 0;

/** Writes a sample with a fault to a file. */
// biome-ignore lint/suspicious/noExplicitAny: tests change any field
function spoiled(name: string, sample: object, spoil: (value: any) => void): string {
  const value = structuredClone(sample);
  spoil(value);
  const file = path.join(scratch, String(count++), name);
  writeJson(file, value);
  return file;
}

/** The error for a bad file, which must be one line, without the folder. */
function refusal(read: (file: string) => unknown, file: string): string {
  try {
    read(file);
  } catch (error) {
    expect(error).toMatchObject({ name: 'HifiError', code: 'INVALID_INPUT' });
    expect((error as Error).message).not.toContain('\n');
    return (error as Error).message.replace(`${path.dirname(file)}/`, '');
  }
  throw new Error(`${file} was taken`);
}

test('each result is read back unchanged', () => {
  const same = (value: unknown) => spoiled('same.json', value as object, () => {});
  expect(readHeads(same(sampleReport()))).toEqual(sampleReport());
  expect(readHeads(same(sampleReport(1, 1)))).toEqual(sampleReport(1, 1));
  expect(readScores(same(sampleScores()))).toEqual(sampleScores());
  expect(readMask(same(sampleMask()))).toEqual(sampleMask());
  for (const metrics of [sampleMetrics(), { ...sampleMetrics(), precision: 'bf16' as const }]) {
    expect(readMetrics(same(metrics))).toEqual(metrics);
  }
});

test.each<[string, Parameters<typeof spoiled>[2]]>([
  ['heads.json: schemaVersion is 2; it must be 1, the only known version', (r) => (r.schemaVersion = 2)],
  ['heads.json: schemaVersion is missing; it must be 1, the only known version', (r) => delete r.schemaVersion],
  ['heads.json: model is missing; it must be an object', (r) => delete r.model],
  ['heads.json: model.heads is "4"; it must be a whole number from 1', (r) => (r.model.heads = '4')],
  [
    'heads.json: model.sha256 is "abc"; it must be a SHA-256: 64 hexadecimal digits, lower case',
    (r) => (r.model.sha256 = 'abc'),
  ],
  ['heads.json: richness[1][2] is null; it must be a finite number', (r) => (r.richness[1][2] = Number.NaN)],
  ['heads.json: richness has 1 rows; with 2 layers of 4 heads it must have 2', (r) => r.richness.pop()],
  ['heads.json: pagerank[1] has 3 entries; with 4 heads per layer it must have 4', (r) => r.pagerank[1].pop()],
  [
    'heads.json: correlation.pearson has 7 rows; with 2 layers of 4 heads it must have 8',
    (r) => r.correlation.pearson.pop(),
  ],
  ['heads.json: correlation.covariance is missing; it must be a list', (r) => delete r.correlation.covariance],
])('%s', (message, spoil) => {
  expect(refusal(readHeads, spoiled('heads.json', sampleReport(), spoil))).toBe(message);
});

test.each<[string, Parameters<typeof spoiled>[2]]>([
  [
    'scores.json: strategy is "hifi"; it must be one of gradient, grad-l1, fisher, movement, alps, gate, contrast, activation, magnitude',
    (s) => (s.strategy = 'hifi'),
  ],
  ['scores.json: scores[1][0] is -1; it must be a number from 0', (s) => (s.scores[1][0] = -1)],
  ['scores.json: scores[0][3] is null; it must be a finite number', (s) => (s.scores[0][3] = Number.NaN)],
  ['scores.json: scores has 1 rows; with 2 layers of 4 heads it must have 2', (s) => s.scores.pop()],
  ['scores.json: scores[1] has 3 entries; with 4 heads per layer it must have 4', (s) => s.scores[1].pop()],
  ['scores.json: model.layers is missing; it must be a whole number from 1', (s) => delete s.model.layers],
])('%s', (message, spoil) => {
  expect(refusal(readScores, spoiled('scores.json', sampleScores(), spoil))).toBe(message);
});

test.each<[string, Parameters<typeof spoiled>[2]]>([
  ['mask.json: schemaVersion is "1"; it must be 1, the only known version', (m) => (m.schemaVersion = '1')],
  ['mask.json: heads[1].head is -1; it must be a whole number from 0', (m) => (m.heads[1].head = -1)],
  ['mask.json: heads[0].layer is 0.5; it must be a whole number from 0', (m) => (m.heads[0].layer = 0.5)],
  [
    'mask.json: heads[4] is layer 0, head 0, which heads[0] was already; each must come once',
    (m) => m.heads.push({ ...m.heads[0], head: 0 }),
  ],
])('%s', (message, spoil) => {
  const mask = { ...sampleMask(), heads: [0, 1, 2, 3].map((head) => ({ layer: 0, head, score: 0 })) };
  expect(refusal(readMask, spoiled('mask.json', mask, spoil))).toBe(message);
});

test('a mask must have either k or a budget', () => {
  const { k: _, ...mask } = sampleMask();
  const budgeted = { ...mask, budget: 0.05 };
  expect(readMask(spoiled('mask.json', budgeted, () => {}))).toEqual(budgeted);
  expect(
    refusal(
      readMask,
      spoiled('mask.json', mask, () => {}),
    ),
  ).toBe('mask.json: there is neither k nor budget; give one of them');
  expect(
    refusal(
      readMask,
      spoiled('mask.json', { ...budgeted, k: 2 }, () => {}),
    ),
  ).toBe('mask.json: k is 2 and budget is 0.05; give one of them');
});

test('an unknown strategy is refused with the known ones', () => {
  const file = spoiled('mask.json', sampleMask(), (mask) => (mask.strategy = 'best'));
  expect(refusal(readMask, file)).toMatch(/^mask\.json: strategy is "best"; it must be one of hifi, hifi-mid-top, /);
});

test('the heads of a handwritten mask are sorted', () => {
  const heads = sampleMask().heads;
  const file = spoiled('mask.json', sampleMask(), (mask) => mask.heads.reverse());
  expect(readMask(file).heads).toEqual(heads);
});

test('text that is not JSON, a missing file and a folder are refused in one line', () => {
  const file = path.join(scratch, 'mask.json');
  fs.writeFileSync(file, '{"schemaVersion": 1,\n');
  expect(refusal(readMask, file)).toMatch(/^mask\.json is not JSON: /);
  expect(refusal(readMask, path.join(scratch, 'maks.json'))).toBe('maks.json: no such file; did you mean "mask.json"?');
  expect(refusal(readMask, scratch)).toMatch(/: is a folder; it must be a regular file$/);
});
