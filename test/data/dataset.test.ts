import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import type { DataSource } from '../../data/dataset';
import { rowNumber, selectRows } from '../../data/dataset';
import { readDataset } from '../../data/read';
import type { TaskName } from '../../data/tasks';
import { HifiError } from '../../foundation/errors';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-dataset-'));
afterAll(() => fs.rmSync(folder, { recursive: true }));

let files = 0;
const write = (content: string, name = `rows${files++}.tsv`) => {
  const file = path.join(folder, name);
  fs.writeFileSync(file, content);
  return file;
};

const own = (content: string, more: Partial<DataSource> = {}): DataSource => ({
  path: write(content),
  textColumns: ['sentence'],
  labelColumn: 'label',
  ...more,
});

const glue = (task: TaskName, content: string): DataSource => ({ path: write(content), task });

/** Error message of a refused source, one line. */
async function refusal(source: DataSource, need: 'labels' | 'texts' = 'labels'): Promise<string> {
  try {
    await readDataset(source, need);
  } catch (error) {
    expect(error).toBeInstanceOf(HifiError);
    expect((error as HifiError).code).toBe('INVALID_INPUT');
    expect((error as HifiError).message).not.toContain('\n');
    expect((error as HifiError).message).toContain(path.basename(source.path));
    return (error as HifiError).message;
  }
  throw new Error(`${source.path} was taken`);
}

describe('named columns', () => {
  it('reads texts and labels at any position of their columns', async () => {
    const dataset = await readDataset(own('id\tlabel\tsentence\n7\t good \t"so far"\n8\tbad\tso what\n'), 'labels');
    expect(dataset).toMatchObject({
      texts: ['"so far"', 'so what'],
      labels: ['good', 'bad'],
      rows: 2,
      skipped: 0,
      problem: 'single-label',
    });
    expect(dataset.seconds).toBeUndefined();
    expect(dataset.rowNumbers).toBeUndefined();
    expect(dataset.sha256).toMatch(/^[0-9a-f]{64}$/);
  });

  it('reads pairs, and a CSV whose texts span lines', async () => {
    const path = write('a,b,y\n"one\ntwo",three,1.5\nfour,"five, six",2\n', 'pairs.csv');
    expect(
      await readDataset({ path, textColumns: ['a', 'b'], labelColumn: 'y', regression: true }, 'labels'),
    ).toMatchObject({
      texts: ['one\ntwo', 'four'],
      seconds: ['three', 'five, six'],
      labels: ['1.5', '2'],
      problem: 'regression',
    });
  });

  it('neither needs nor reads labels if texts suffice', async () => {
    const dataset = await readDataset(own('sentence\nx\ny\n', { labelColumn: undefined }), 'texts');
    expect(dataset.texts).toEqual(['x', 'y']);
    expect(dataset.labels).toBeUndefined();
    expect((await readDataset(own('sentence\nx\n'), 'texts')).labels).toBeUndefined();
  });

  it('skips blank lines, which are no rows', async () => {
    expect((await readDataset(own('sentence\tlabel\n\nx\t1\n\ny\t0\n\n\n'), 'labels')).texts).toEqual(['x', 'y']);
  });

  it('reads a given format if the name has none', async () => {
    const path = write('sentence,label\nx,1\n', 'rows.data');
    const source = { path, textColumns: ['sentence'], labelColumn: 'label' };
    expect(await refusal(source)).toMatch('--format tsv|csv');
    expect((await readDataset({ ...source, format: 'csv' }, 'labels')).labels).toEqual(['1']);
  });
});

describe('bad input is reported in one line', () => {
  it('a file that is missing, is empty or has only a header', async () => {
    expect(await refusal({ path: path.join(folder, 'none.tsv'), textColumns: ['a'], labelColumn: 'b' })).toMatch(
      /no such file/,
    );
    expect(await refusal(own(''))).toMatch(/the file is empty/);
    expect(await refusal(own('sentence\tlabel\n\n'))).toMatch(/a header but no row/);
  });

  it('a missing column, with the nearest name', async () => {
    expect(await refusal(own('Sentense\tlabel\nx\t1\n'))).toMatch(
      /no column "sentence" in the header \("Sentense", "label"\); did you mean "Sentense"\?/,
    );
    expect(await refusal(own('sentence\tlabel\nx\t1\n', { labelColumn: 'lable' }))).toMatch(/did you mean "label"\?/);
    expect(await refusal(own('sentence\tlabel\tlabel\nx\t1\t2\n'))).toMatch(/names the column "label" twice/);
  });

  it('a row that lacks a field: the row, the line, the column and what was found', async () => {
    expect(await refusal(own('sentence\tlabel\nx\t1\n\nonly a text\ny\t0\n'))).toMatch(
      /row 1 \(line 4\) has no column "label": 1 field of 2, "only a text"/,
    );
    expect(await refusal(own('id\tsentence\tlabel\n1\tx\n'))).toMatch(
      /row 0 \(line 2\) has no column "label": 2 fields of 3/,
    );
    expect(await refusal(own('sentence\tlabel\nx\t \n'))).toMatch(/row 0 \(line 2\) has nothing in the column "label"/);
    expect(await refusal(own('sentence\tlabel\n\t1\n'))).toMatch(
      /row 0 \(line 2\) has nothing in the column "sentence"/,
    );
    expect(await refusal(own('sentence\nx\n\ny\n', { labelColumn: undefined }), 'texts')).toMatch(
      /row 1 \(line 3\) has nothing/,
    );
  });

  it('a row with a field too many, which would shift its label', async () => {
    expect(await refusal(own('sentence\tlabel\nx\ty\t1\n'))).toMatch(/row 0 \(line 2\) has 3 fields, the header has 2/);
  });

  it('a source without columns or task, or with both', async () => {
    const rows = 'sentence\tlabel\nx\t1\n';
    expect(await refusal(own(rows, { textColumns: undefined }))).toMatch(/--text-columns/);
    expect(await refusal(own(rows, { textColumns: [] }))).toMatch(/--text-columns/);
    expect(await refusal(own(rows, { labelColumn: undefined }))).toMatch(/--label-column/);
    expect(await refusal(own(rows, { textColumns: ['sentence', 'label', 'z'] }))).toMatch(
      /3 text columns given (.*); give one or two/,
    );
    expect(await refusal(own(rows, { labelColumn: 'sentence' }))).toMatch(/"sentence" is named twice/);
    expect(await refusal(own(rows, { task: 'sst2' }))).toMatch(/leave out the task, or those$/);
  });

  it('an unknown task, with the nearest name', async () => {
    const source = { path: write('x\n'), task: 'sst-2' as TaskName };
    await expect(readDataset(source, 'labels')).rejects.toThrow(
      /no task "sst-2"; the tasks are cola, .* did you mean "sst2"\?/,
    );
    await expect(readDataset({ ...source, task: 'toString' as TaskName }, 'labels')).rejects.toThrow(/no task/);
  });
});

describe("GLUE's files", () => {
  it('CoLA: train and dev have no header', async () => {
    const dataset = await readDataset(
      glue('cola', 'gj04\t1\t\tThe pond froze.\ncj99\t0\t*\tThe "more" pond.\n'),
      'labels',
    );
    expect(dataset).toMatchObject({
      texts: ['The pond froze.', 'The "more" pond.'],
      labels: ['1', '0'],
      problem: 'single-label',
      task: 'cola',
    });
  });

  it('CoLA: the test file has a header and no labels', async () => {
    const source = glue('cola', 'index\tsentence\n0\tBill whistled past the house.\n');
    expect((await readDataset(source, 'texts')).texts).toEqual(['Bill whistled past the house.']);
    expect(await refusal(source)).toMatch(/no column "label" in the header \("index", "sentence"\)/);
  });

  it('CoLA: a row without a sentence', async () => {
    expect(await refusal(glue('cola', 'gj04\t1\t\tFine.\ngj04\t1\n'))).toMatch(
      /row 1 \(line 2\) has no column "sentence": 2 fields of 4/,
    );
  });

  it('SST-2', async () => {
    expect(await readDataset(glue('sst2', 'sentence\tlabel\nhide new secretions \t0\n'), 'labels')).toMatchObject({
      texts: ['hide new secretions '],
      labels: ['0'],
    });
  });

  it('MRPC: a byte order mark, and a quote that is never closed', async () => {
    const header = '\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n';
    expect(
      await readDataset(glue('mrpc', `${header}1\t70\t71\t"Amrozi said\tReferring to him\n`), 'labels'),
    ).toMatchObject({
      texts: ['"Amrozi said'],
      seconds: ['Referring to him'],
      labels: ['1'],
    });
    const test = glue('mrpc', 'index\t#1 ID\t#2 ID\t#1 String\t#2 String\n0\t1\t2\tone\ttwo\n');
    expect(await readDataset(test, 'texts')).toMatchObject({ texts: ['one'], seconds: ['two'] });
  });

  it('STS-B: a score', async () => {
    const header = 'index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore\n';
    const dataset = await readDataset(
      glue('stsb', `${header}0\tg\tf\t2012\t1\tn\tn\tA plane.\tA jet.\t5.000\n`),
      'labels',
    );
    expect(dataset).toMatchObject({
      texts: ['A plane.'],
      seconds: ['A jet.'],
      labels: ['5.000'],
      problem: 'regression',
    });
  });

  it('QQP: broken rows are skipped, the others keep their numbers', async () => {
    const content =
      'id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n' +
      '1\t2\t3\tWhy?\tHow?\t0\n' +
      '4\t5\t6\tThe first half\n' +
      'of a question\tand the second\t1\n' +
      '7\t8\t9\tWho?\t\t1\n' +
      '7\t8\t9\tWho?\tWhat?\t\n' +
      '8\t8\t9\tWhere?\tThere?\t1\n';
    const dataset = await readDataset(glue('qqp', content), 'labels');
    expect(dataset).toMatchObject({ texts: ['Why?', 'Who?', 'Where?'], seconds: ['How?', '', 'There?'], skipped: 3 });
    expect([0, 1, 2].map((index) => rowNumber(dataset, index))).toEqual([0, 3, 5]);
    expect((await readDataset(glue('qqp', content), 'texts')).rows).toBe(4);
    expect(
      await refusal(
        glue(
          'qqp',
          content
            .split('\n')
            .slice(0, 3)
            .join('\n')
            .replace(/1\t2\t3.*\n/, ''),
        ),
      ),
    ).toMatch(/none of the 1 rows/);
  });

  it('MNLI: rows without a gold label count if texts suffice, and are skipped if labels are needed', async () => {
    const content = 'index\tsentence1\tsentence2\tlabel1\tgold_label\n0\ta\tb\tneutral\tneutral\n1\tc\td\tneutral\t-\n';
    expect(await readDataset(glue('mnli', content), 'labels')).toMatchObject({
      labels: ['neutral'],
      rows: 1,
      skipped: 1,
    });
    expect(await readDataset(glue('mnli', content), 'texts')).toMatchObject({ texts: ['a', 'c'], seconds: ['b', 'd'] });
  });

  it('QNLI, RTE and WNLI', async () => {
    const qnli = glue('qnli', 'index\tquestion\tsentence\tlabel\n0\tWho?\tHe.\tentailment\n');
    expect(await readDataset(qnli, 'labels')).toMatchObject({
      texts: ['Who?'],
      seconds: ['He.'],
      labels: ['entailment'],
    });
    const pairs = 'index\tsentence1\tsentence2\tlabel\n0\ta\tb\t';
    expect((await readDataset(glue('rte', `${pairs}not_entailment\n`), 'labels')).labels).toEqual(['not_entailment']);
    expect((await readDataset(glue('wnli', `${pairs}1\n`), 'labels')).labels).toEqual(['1']);
  });

  it('a file of another task is refused by its header', async () => {
    expect(await refusal(glue('rte', 'sentence\tlabel\nx\t1\n'))).toMatch(
      /no column "sentence1".*did you mean "sentence"\?/,
    );
  });
});

describe('selectRows', () => {
  it('keeps the numbers that rows have in the file', async () => {
    const whole = await readDataset(own('sentence\tlabel\na\t0\nb\t1\nc\t0\nd\t1\n'), 'labels');
    const part = selectRows(whole, [3, 1, 2]);
    expect(part).toMatchObject({ texts: ['d', 'b', 'c'], labels: ['1', '1', '0'], rows: 3, sha256: whole.sha256 });
    const again = selectRows(part, [2, 0]);
    expect([0, 1].map((index) => rowNumber(again, index))).toEqual([2, 3]);
    expect(again.texts).toEqual(['c', 'd']);
    expect(again.seconds).toBeUndefined();
  });
});
