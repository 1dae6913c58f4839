import * as fs from 'node:fs';
import * as path from 'node:path';
import { FileHolds } from '../../gateway/file-holds';
import { RecordPlace } from '../../gateway/record-results';
import { FolderArtifacts } from '../../infra/artifacts/folder-store';
import { temporaryFolder } from '../support/deltas';

const folder = temporaryFolder('record-results');
afterAll(() => fs.rmSync(folder, { recursive: true }));
const store = new FolderArtifacts(folder);
const NAMES = ['heads.json', 'metrics.json', 'delta/delta.json', 'delta/delta.safetensors'];
const EXPORTED = ['checkpoint/config.json', 'checkpoint/model.safetensors', 'peft/adapter_config.json'];

/** Opens a job's results, of which one file was lost. */
async function without(lost: string) {
  const artifacts = await Promise.all(
    [...NAMES, ...EXPORTED].map(async (name) => ({ name, ...(await store.addText(`content of ${name}`)) })),
  );
  await store.remove(artifacts.find(({ name }) => name === lost)!.sha256);
  const place = await RecordPlace.open({ artifacts }, store, new FileHolds({ hold: () => () => {} }, store));
  const found = [...NAMES, ...EXPORTED].filter((name) => place.find(name) !== undefined);
  return { found, checkpoint: await place.storedExport('checkpoint'), peft: await place.storedExport('peft') };
}

test('a folder of results with a lost file is not there', async () => {
  expect(await without(path.join('checkpoint', 'model.safetensors'))).toEqual({
    found: [...NAMES, 'peft/adapter_config.json'],
    ...{ checkpoint: false, peft: true },
  });
});

test('metrics without their whole delta are not there, so the training is repeated', async () => {
  const { found } = await without('delta/delta.safetensors');
  expect(found).toEqual(['heads.json', ...EXPORTED]);
});
