import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { didYouMean, nearest, nearestSibling } from '../../data/nearest';

describe('nearest', () => {
  it('finds the name that was meant', () => {
    const known = ['sentence', 'label', 'sentence2', 'gold_label'];
    expect(nearest('sentance', known)).toBe('sentence');
    expect(nearest('Label', known)).toBe('label');
    expect(nearest('sentence_2', known)).toBe('sentence2');
    expect(nearest('lable', known)).toBe('label');
  });

  it('finds none if none is near', () => {
    expect(nearest('text', ['relatedness_score'])).toBeUndefined();
    expect(nearest('x', [])).toBeUndefined();
    expect(didYouMean('text', ['relatedness_score'])).toBe('');
    expect(didYouMean('txt', ['text'])).toBe('; did you mean "text"?');
  });
});

it('suggests a sibling of a missing path', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-nearest-'));
  fs.writeFileSync(path.join(folder, 'train.tsv'), '');
  fs.mkdirSync(path.join(folder, 'trains'));
  expect(nearestSibling(path.join(folder, 'trian.tsv'))).toBe('; did you mean "train.tsv"?');
  expect(nearestSibling(path.join(folder, 'trian.tsv'), 'folders')).not.toContain('train.tsv');
  expect(nearestSibling(path.join(folder, 'train'), 'folders')).toBe('; did you mean "trains"?');
  expect(nearestSibling(path.join(folder, 'none/train'))).toBe('');
  fs.rmSync(folder, { recursive: true });
});
