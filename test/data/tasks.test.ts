import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { mismatchedSibling, TASK_NAMES, TASKS, taskNamed } from '../../data/tasks';

describe('TASKS', () => {
  it("has GLUE's nine tasks, with its order of classes", () => {
    expect(TASK_NAMES).toEqual(['cola', 'sst2', 'mrpc', 'stsb', 'qqp', 'mnli', 'qnli', 'rte', 'wnli']);
    expect(TASKS.mnli.labels.names).toEqual(['entailment', 'neutral', 'contradiction']);
    expect(TASKS.qnli.labels.names).toEqual(['entailment', 'not_entailment']);
    expect(TASKS.rte.labels.names).toEqual(['entailment', 'not_entailment']);
    expect(TASK_NAMES.filter((name) => TASKS[name].labels.problem === 'regression')).toEqual(['stsb']);
    expect(TASK_NAMES.filter((name) => TASKS[name].textColumns.length === 1)).toEqual(['cola', 'sst2']);
  });

  it('are found by name', () => expect(TASK_NAMES.map(taskNamed)).toEqual(TASK_NAMES));
});

describe('mismatchedSibling', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-mnli-'));
  afterAll(() => fs.rmSync(folder, { recursive: true }));

  it('is found only beside the matched file', () => {
    const [matched, mismatched] = ['dev_matched.tsv', 'dev_mismatched.tsv'].map((name) => path.join(folder, name));
    fs.writeFileSync(matched, '');
    expect(mismatchedSibling(matched)).toBeUndefined();
    fs.writeFileSync(mismatched, '');
    expect(mismatchedSibling(matched)).toBe(mismatched);
    expect(mismatchedSibling(mismatched)).toBeUndefined();
    expect(mismatchedSibling(path.join(folder, 'dev.tsv'))).toBeUndefined();
  });
});
