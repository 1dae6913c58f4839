import * as fs from 'node:fs';
import * as path from 'node:path';
import { TRAIN_DEFAULTS, type TrainOptions } from '../../delta/training-options';
import { SELECTION_DEFAULTS } from '../../heads/select';
import { checkInputs } from '../../job/inputs';
import type { JobSpec } from '../../job/job';
import { FIXTURES } from '../support/deltas';
import { scratchFolders } from './scratch-folders';

const { folder } = scratchFolders('inputs');

/** Job on two rows, of a text or a pair; only what the check reads. */
function specOf(textColumns: string[], training: Partial<TrainOptions>): JobSpec {
  const file = path.join(folder('rows.tsv'), 'rows.tsv');
  fs.writeFileSync(file, 'a\tb\ty\none\tuno\t0\ntwo\tdue\t1\n');
  return {
    model: path.join(FIXTURES, 'tiny-bert'),
    train: { path: file, textColumns, labelColumn: 'y' },
    selection: SELECTION_DEFAULTS,
    training: { ...TRAIN_DEFAULTS, ...training },
  } as JobSpec;
}

test.each<[string[], Partial<TrainOptions>, string]>([
  [['a'], { maxLength: 2 }, 'maxLength is 2; it must be 3 or more: 2 tokens are special'],
  [['a', 'b'], { maxLength: 3 }, 'maxLength is 3; it must be 4 or more: 3 tokens are special'],
  [['a'], { longTexts: 'windows', stride: 126 }, 'stride is 126; it must be below 126, the tokens of a text'],
])('a text without room in a window is reported before any work: %j %j', async (columns, training, message) => {
  await expect(checkInputs(specOf(columns, training))).rejects.toThrow(message);
});

test.each<[string[], Partial<TrainOptions>]>([
  [['a'], { maxLength: 3 }],
  [['a', 'b'], { maxLength: 4 }],
  [['a'], { longTexts: 'windows', stride: 125 }],
])('the least room is enough: %j %j', async (columns, training) => {
  expect(await checkInputs(specOf(columns, training))).toMatchObject({ dev: null });
});
