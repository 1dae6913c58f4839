import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { AnalyzerEngine } from '../../analyzer/analysis-engine';
import { analyzeShard } from '../../analyzer/pipeline';
import { mergeShards, reportOfShards, type ShardStatistics } from '../../analyzer/shard';
import type { AnalyzeRequest } from '../../heads/analysis-request';
import { drain, fixture, GOLDEN_OPTIONS, run, warningsOf } from './run';

/** Dataset of 200 rows of the fixtures' sentences: 4 blocks. */
function writeRows(folder: string): string {
  const lines = ['train', 'dev'].flatMap((name) =>
    fs
      .readFileSync(fixture(`tiny-data/${name}.tsv`), 'utf8')
      .trim()
      .split('\n')
      .slice(1),
  );
  const sentences = lines.map((line) => line.split('\t')[0]);
  const rows = Array.from({ length: 200 }, (_, i) => {
    const length = i % 3;
    return sentences.slice(i % 90, (i % 90) + 1 + length).join(' ');
  });
  const file = path.join(folder, 'rows.tsv');
  fs.writeFileSync(file, ['sentence', ...rows].join('\n'));
  return file;
}

describe('shards', () => {
  let folder: string;
  let request: AnalyzeRequest;

  beforeAll(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-shards-'));
    request = {
      model: fixture('tiny-bert'),
      data: { path: writeRows(folder), textColumns: ['sentence'] },
      options: { ...GOLDEN_OPTIONS, samples: 190 },
    };
  });
  afterAll(() => fs.rmSync(folder, { recursive: true }));

  const shards = async (count: number): Promise<ShardStatistics[]> => {
    const parts: ShardStatistics[] = [];
    for (let index = 0; index < count; index++) {
      parts.push((await drain(analyzeShard({ ...request, shard: { index, count } }))).result);
    }
    return parts;
  };
  const reportOf = (parts: ShardStatistics[]) => ({
    ...reportOfShards(parts.reduce(mergeShards)).report,
    elapsedSeconds: 0,
  });

  it('merge to the bits of one run, in any order and grouping', async () => {
    const whole = { ...(await run(request)).result, elapsedSeconds: 0 };
    expect(whole.samples).toBe(190);
    for (const count of [2, 3]) {
      const parts = await shards(count);
      expect(parts.every((part) => part.statistics.sequences > 0)).toBe(true);
      expect(reportOf(parts)).toEqual(whole);
      expect(reportOf([...parts].reverse())).toEqual(whole);
      if (count === 3) expect(reportOf([parts[1], mergeShards(parts[2], parts[0])])).toEqual(whole);
    }
  });

  it('cross process boundaries unchanged', async () => {
    const engine = new AnalyzerEngine();
    try {
      const parts = await shards(2);
      const inChild: ShardStatistics[] = [];
      for (const [index, here] of parts.entries()) {
        const { result } = await drain(engine.analyzeShard({ ...request, shard: { index, count: 2 } }));
        inChild.push(result);
        expect({ ...result, elapsedSeconds: 0 }).toEqual({ ...here, elapsedSeconds: 0 });
      }
      const { result, events } = await drain(engine.merge(inChild.reverse()));
      expect({ ...result, elapsedSeconds: 0 }).toEqual(reportOf(parts));
      const { warnings } = reportOfShards(mergeShards(parts[0], parts[1]));
      expect(warningsOf(events)).toEqual(warnings);
      await expect(drain(engine.merge([inChild[0], inChild[0]]))).rejects.toMatchObject({
        code: 'INVALID_INPUT',
        message: 'shard 1 of 2 is given twice',
      });
      await expect(drain(engine.merge([]))).rejects.toThrow('there are no shards to merge');
    } finally {
      await engine.close();
    }
  });

  it('may outnumber the blocks', async () => {
    const parts = await shards(5);
    expect(parts.map((part) => part.statistics.sequences)).toContain(0);
    expect(reportOf(parts).samples).toBe(190);
  });

  it('are refused if they do not make up one analysis', async () => {
    const [first, second] = await shards(2);
    expect(() => reportOfShards(first)).toThrow('shard 1 of 2 is missing');
    expect(() => mergeShards(first, first)).toThrow('shard 0 of 2 is given twice');
    const { result: other } = await drain(
      analyzeShard({ ...request, options: { ...request.options, seed: 9 }, shard: { index: 1, count: 2 } }),
    );
    expect(() => mergeShards(first, other)).toThrow('the shards are of different analyses');
    expect(mergeShards(first, second).shards).toEqual([0, 1]);
    await expect(drain(analyzeShard({ ...request, shard: { index: 2, count: 2 } }))).rejects.toThrow('shard is 2 of 2');
  });
});
