import * as fs from 'node:fs';
import * as path from 'node:path';
import { writeDelta } from '../../delta/delta';
import { EXPORT_FORMATS, type ExportFormat } from '../../delta/export-request';
import { resultOf } from '../../foundation/follow';
import { openCheckpoint } from '../../model/checkpoint';
import { exportModel } from '../../trainer/export';
import { exportModel as exportInChild } from '../../trainer/training-engine';
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

const requestFor = (format: ExportFormat, name: string) => ({ format, model, delta, out: path.join(temporary, name) });

/** Every file of a folder by its path in it. */
function contents(folder: string): Record<string, string> {
  const files = fs.readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    files
      .map(({ parentPath, name }) => path.join(parentPath, name))
      .sort()
      .map((file) => [path.relative(folder, file), fs.readFileSync(file, 'base64')]),
  );
}

it.each(EXPORT_FORMATS)('makes the same %s here and in a process of its own', async (format) => {
  const here = await resultOf(exportModel(requestFor(format, `${format}-here`)));
  const options = { nice: 5, silenceMs: 60_000 };
  const there = await resultOf(exportInChild(requestFor(format, `${format}-there`), undefined, options));
  expect(there).toEqual(here);
  const files = contents(path.join(temporary, `${format}-here`));
  expect(Object.keys(files).length).toBeGreaterThan(1);
  expect(contents(path.join(temporary, `${format}-there`))).toEqual(files);
});

it('tells the notes of a rounded checkpoint and the refusal of a folder that is not empty', async () => {
  const rounded = { ...requestFor('checkpoint', 'rounded'), dtype: 'base' } as const;
  const notes = await resultOf(exportInChild(rounded));
  expect(notes).toEqual(await resultOf(exportModel({ ...rounded, out: path.join(temporary, 'rounded-here') })));
  await expect(resultOf(exportInChild({ ...rounded, format: 'peft' }))).rejects.toMatchObject({
    code: 'INVALID_INPUT',
    message: expect.stringMatching(/rounded holds .*: give a new or an empty folder/),
  });
});

it('leaves nothing where it was told to end before', async () => {
  const out = path.join(temporary, 'cut');
  const told = resultOf(exportModel({ ...requestFor('checkpoint', 'cut') }, AbortSignal.abort()));
  await expect(told).rejects.toMatchObject({ code: 'CANCELLED' });
  expect(fs.existsSync(out)).toBe(false);
});
