import * as fs from 'node:fs';
import * as path from 'node:path';
import { writeDelta } from '../../delta/delta';
import { exportMerged } from '../../delta/export';
import { follow } from '../../foundation/follow';
import { openCheckpoint } from '../../model/checkpoint';
import { exportModel } from '../../trainer/training-engine';
import { FIXTURES, randomDelta, temporaryFolder } from '../support/deltas';

const temporary = temporaryFolder('export');
afterAll(() => fs.rmSync(temporary, { recursive: true }));
const model = path.join(FIXTURES, 'tiny-bert');
const delta = path.join(temporary, 'delta');
beforeAll(async () => {
  const checkpoint = await openCheckpoint(model);
  writeDelta(delta, randomDelta(checkpoint, { heads: [[0], [1, 2]], labels: ['no', 'yes'], scale: 0.3 }));
  checkpoint.close();
});

const FORMATS = ['checkpoint', 'peft'] as const;
const resultOf = <T>(events: AsyncGenerator<unknown, T>) => follow(events, () => {});
const requestFor = (format: (typeof FORMATS)[number], name: string) => ({
  format,
  model,
  delta,
  out: path.join(temporary, name),
});

/** Contents of all files in a folder, by their path in it. */
function contents(folder: string): Record<string, string> {
  const files = fs.readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    files
      .map(({ parentPath, name }) => path.join(parentPath, name))
      .sort()
      .map((file) => [path.relative(folder, file), fs.readFileSync(file, 'base64')]),
  );
}

it.each(FORMATS)('exports the same %s here and in a child process', async (format) => {
  const here = await resultOf(exportMerged(requestFor(format, `${format}-here`)));
  const options = { nice: 5, silenceMs: 60_000 };
  const there = await resultOf(exportModel(requestFor(format, `${format}-there`), undefined, options));
  expect(there).toEqual(here);
  const files = contents(path.join(temporary, `${format}-here`));
  expect(Object.keys(files).length).toBeGreaterThan(1);
  expect(contents(path.join(temporary, `${format}-there`))).toEqual(files);
});

it('returns the notes of a rounded checkpoint and rejects a folder that is not empty', async () => {
  const rounded = { ...requestFor('checkpoint', 'rounded'), dtype: 'base' } as const;
  const notes = await resultOf(exportModel(rounded));
  expect(notes).toEqual(await resultOf(exportMerged({ ...rounded, out: path.join(temporary, 'rounded-here') })));
  await expect(resultOf(exportModel({ ...rounded, format: 'peft' }))).rejects.toMatchObject({
    code: 'INVALID_INPUT',
    message: expect.stringMatching(/rounded holds .*: give a new or an empty folder/),
  });
});

it('leaves nothing if its signal is aborted before', async () => {
  const out = path.join(temporary, 'aborted');
  const aborted = resultOf(exportMerged({ ...requestFor('checkpoint', 'aborted') }, AbortSignal.abort()));
  await expect(aborted).rejects.toMatchObject({ code: 'CANCELLED' });
  expect(fs.existsSync(out)).toBe(false);
});
