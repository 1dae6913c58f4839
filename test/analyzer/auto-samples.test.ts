import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { rankStatistics } from '../../analyzer/head-report';
import { analyzeShard } from '../../analyzer/pipeline';
import { sampleSizes } from '../../analyzer/plan';
import { HeadStatistics } from '../../analyzer/statistics';
import { randomStream } from '../../data/random';
import { type AnalysisOptions, analysisOptions } from '../../heads/analysis-options';
import { drain, fixture, GOLDEN_OPTIONS, run, warningsOf } from './run';

const ROWS = 700;
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-auto-'));
afterAll(() => fs.rmSync(folder, { recursive: true }));
const file = path.join(folder, 'rows.tsv');

beforeAll(() => {
  const words = fs.readFileSync(fixture('tiny-data/train.tsv'), 'utf8').split(/[\s\d]+/);
  const random = randomStream(1, 'sentences');
  const sentence = () => Array.from({ length: 1 + random.int(12) }, () => words[random.int(words.length)]).join(' ');
  fs.writeFileSync(file, ['sentence', ...Array.from({ length: ROWS }, () => `a ${sentence()}`)].join('\n'));
});

const request = (options: Partial<AnalysisOptions>) => ({
  model: fixture('tiny-bert'),
  data: { path: file, textColumns: ['sentence'] },
  options: { ...GOLDEN_OPTIONS, ...options },
});

/** Returns the share of replicates in which each layer has the sample's top k. */
async function holdsAt(samples: number, options: Partial<AnalysisOptions>): Promise<number[]> {
  const wanted = request({ ...options, samples });
  const { result } = await drain(analyzeShard({ ...wanted, shard: { index: 0, count: 1 } }));
  const { stability } = rankStatistics(
    { ...analysisOptions(wanted.options), samples },
    HeadStatistics.from(result.statistics),
  );
  return stability!.holds;
}

describe('samples auto', () => {
  it('checks after whole blocks, each time a quarter later, and at its end', () => {
    const sizes = (maxSamples: number, rows: number) => sampleSizes({ samples: 'auto', maxSamples }, rows);
    const blocks = [2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 18, 22, 27, 33, 41];
    expect(sizes(3000, 1e6)).toEqual([...blocks.map((count) => 64 * count), 3000]);
    expect(sizes(3000, 200)).toEqual([128, 192, 200]);
    expect(sizes(100, 200)).toEqual([100]);
    expect(sizes(128, 200)).toEqual([128]);
    expect(sampleSizes({ samples: 300, maxSamples: 100 }, 5000)).toEqual([300]);
    expect(sampleSizes({ samples: 300, maxSamples: 100 }, 200)).toEqual([200]);
  });

  it('ends at the first size at which every layer is stable, with the bits of that size', async () => {
    const options = { k: 2, seed: 4 };
    const { result, events } = await run(request({ ...options, samples: 'auto' }));
    const sizes = sampleSizes({ samples: 'auto', maxSamples: 3000 }, ROWS);
    const before = sizes.slice(0, sizes.indexOf(result.samples));
    expect(before.length).toBeGreaterThan(1);
    expect(result.samples).toBeLessThan(ROWS);
    for (const size of before) expect(Math.min(...(await holdsAt(size, options)))).toBeLessThan(0.95);
    expect(Math.min(...(await holdsAt(result.samples, options)))).toBeGreaterThanOrEqual(0.95);
    expect(warningsOf(events)).toEqual([]);

    const { result: fixed } = await run(request({ ...options, samples: result.samples }));
    const { samples, maxSamples, ...others } = result.options;
    expect({ samples, maxSamples }).toEqual({ samples: 'auto', maxSamples: 3000 });
    expect({ ...others, samples: result.samples }).toEqual(fixed.options);
    expect({ ...result, options: null, elapsedSeconds: 0 }).toEqual({ ...fixed, options: null, elapsedSeconds: 0 });
    expect(result.data.sampleIds).toHaveLength(result.samples);
  });

  it('ends at its maximum, with a warning that names the layers that still depend on the sample', async () => {
    const options = { k: 2, seed: 4, maxSamples: 70 };
    const { result, events } = await run(request({ ...options, samples: 'auto' }));
    expect(result.samples).toBe(70);
    const holds = await holdsAt(70, options);
    const open = holds.flatMap((share, layer) => (share < 0.95 ? [layer] : []));
    expect(open.length).toBeGreaterThan(0);
    expect(warningsOf(events)).toEqual([
      expect.stringContaining(`after 70 sequences the top 2 still depend on the sample in ${open.length} of 2 layers`),
    ]);
  });

  it('is refused for a shard, which does not have the whole sample', async () => {
    const shard = analyzeShard({ ...request({ samples: 'auto' }), shard: { index: 0, count: 2 } });
    await expect(drain(shard)).rejects.toThrow('samples is auto, which needs the whole sample');
  });
});
