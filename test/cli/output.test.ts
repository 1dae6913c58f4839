import { Writable } from 'node:stream';
import { LossCurve } from '../../cli/loss-curve';
import { bytesText, grouped, percentText, secondsText, table, wrapped, writeLines } from '../../cli/output';
import { Progress } from '../../cli/progress';

test('columns are aligned, numbers to the right', () => {
  expect(
    table(
      [
        ['layer', 'heads'],
        ['0', '1 2'],
        ['11', '–'],
      ],
      [0],
    ),
  ).toEqual(['layer  heads', '    0  1 2', '   11  –']);
});

test('a table that is wider than the terminal wraps its last column between words', () => {
  const rows = [
    ['tuned', '18 heads, 664,704 of 22,713,216 parameters'],
    ['task head', '148,610 parameters'],
  ];
  expect(table(rows, [], 40)).toEqual([
    'tuned      18 heads, 664,704 of',
    '           22,713,216 parameters',
    'task head  148,610 parameters',
  ]);
  expect(table(rows, [], 80)).toHaveLength(2);
  expect(table([['a'.repeat(30), 'no room at all for this']], [], 24)).toEqual([
    `${'a'.repeat(30)}  no room at all for`,
    `${' '.repeat(32)}this`,
  ]);
});

test('a line is broken at double spaces', () => {
  const heads = '2 (0.108, 100 %)  5 (0.0884, 9 %)  11 (0.0869, 1 %)';
  expect(wrapped(heads, 40)).toEqual(['2 (0.108, 100 %)  5 (0.0884, 9 %)', '11 (0.0869, 1 %)']);
  expect(wrapped(`  ${heads}`, 12)).toEqual([
    ...['  2 (0.108,', '  100 %)', '  5 (0.0884,', '  9 %)', '  11', '  (0.0869, 1', '  %)'],
  ]);
});

test('any number of losses becomes one line of bars', () => {
  const curve = (losses: readonly number[]) => {
    const made = new LossCurve(8);
    for (const loss of losses) made.add(loss);
    return made.text();
  };
  expect(curve([])).toBe('');
  expect(curve([0.5])).toBe('');
  expect(curve([0.5, 0.5])).toBe('▁▁');
  expect(curve([0.7, 0.1])).toBe('█▁');
  for (const count of [5, 16, 17, 1000]) {
    const falling = curve(Array.from({ length: count }, (_, i) => 1 - i / count));
    expect(falling.length).toBeLessThanOrEqual(8);
    expect(falling).toMatch(/^█▇*▆*▅*▄*▃*▂*▁+$/);
  }
});

describe('progress on a terminal', () => {
  /** Returns the output of a training with falling loss, with its colours. */
  function shown(columns: number): string {
    let text = '';
    const stream = Object.assign(new Writable({ write: (chunk, _, done) => (text += chunk) && done() }), {
      ...{ isTTY: true, columns, rows: 24, cursorTo: () => true, clearLine: () => true, moveCursor: () => true },
    }) as unknown as NodeJS.WriteStream;
    const progress = new Progress(stream);
    for (let done = 0; done <= 100; done++) {
      progress.at({
        stage: 'train',
        done,
        total: 100,
        unit: 'steps',
        rate: 9,
        remainingSeconds: 9,
        loss: 1 - done / 200,
      });
    }
    progress.stop();
    return text;
  }

  test('a training shows its loss as a curve if there is room', () => {
    expect(shown(120)).toMatch(/100\/100 steps, 9\.00\/s, loss 0\.5000 █[▁-█]+▁/);
    expect(shown(60)).toContain('loss 0.5000');
    expect(shown(60)).not.toMatch(/[▁-█]/);
  });

  test('a line is never wider than the terminal; the remaining time is dropped last', () => {
    const event = { stage: 'evaluate', total: 8551, unit: 'rows', rate: 123, loss: 0.5 };
    for (const columns of [30, 40, 50, 60, 80, 120]) {
      const lines: string[] = [];
      const write = (chunk: Buffer, _: string, done: () => void) => {
        // biome-ignore lint/suspicious/noControlCharactersInRegex: control sequences of a terminal
        const line = String(chunk).replaceAll(/\u001b(\[[?\d;]*[a-zA-Z]|\d)/g, '');
        if (line.includes('evaluate')) lines.push(line);
        done();
      };
      const stream = Object.assign(new Writable({ write }), {
        ...{ isTTY: true, columns, rows: 24, cursorTo: () => true, clearLine: () => true, moveCursor: () => true },
      }) as unknown as NodeJS.WriteStream;
      const progress = new Progress(stream);
      progress.at({ ...event, done: 0 });
      progress.at({ ...event, done: 8550, remainingSeconds: 60 });
      progress.stop();
      const last = lines.at(-1) as string;
      if (columns >= 50) expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(columns);
      expect(last).toContain('1 min 0 s left');
      expect(last.includes('123/s')).toBe(columns >= 80);
      expect(last.includes('━')).toBe(columns >= 60);
    }
  });

  test('permanent lines are broken between words', () => {
    let text = '';
    const stream = {
      isTTY: true,
      columns: 24,
      write: (chunk: string) => (text += chunk),
    } as unknown as NodeJS.WriteStream;
    new Progress(stream).say('epoch 1: training loss 0.6656, dev matthews 0.0168');
    writeLines(['  one two three four five six', '/a/path/that/is/longer/than/the/terminal'], stream);
    expect(text.split('\n')).toEqual([
      ...['epoch 1: training loss', '0.6656, dev matthews', '0.0168'],
      ...['  one two three four', '  five six', '/a/path/that/is/longer/than/the/terminal', ''],
    ]);
  });

  test('NO_COLOR removes the colours', () => {
    const before = process.env.NO_COLOR;
    try {
      process.env.NO_COLOR = '1';
      expect(shown(120)).not.toContain('\u001b[36m');
      delete process.env.NO_COLOR;
      expect(shown(120)).toContain('\u001b[36m');
    } finally {
      if (before === undefined) delete process.env.NO_COLOR;
      else process.env.NO_COLOR = before;
    }
  });
});

test('amounts are formatted', () => {
  expect([999, 1000, 3_300_000, 123_456_789_000].map(bytesText)).toEqual(['999 bytes', '1.0 kB', '3.3 MB', '123.5 GB']);
  expect([0, 999, 1000, 22713216].map(grouped)).toEqual(['0', '999', '1,000', '22,713,216']);
  expect([0, 0.042, 0.00123, 1].map(percentText)).toEqual(['0.00 %', '4.2 %', '0.12 %', '100.0 %']);
  expect([0.04, 9.9, 59.4, 59.6, 125, 7260].map(secondsText)).toEqual([
    '0.0 s',
    '9.9 s',
    '59 s',
    '1 min 0 s',
    '2 min 5 s',
    '2 h 1 min',
  ]);
});

describe('progress without a terminal', () => {
  /** Collects the written lines while `at` sets the clock, in seconds. */
  function watch(use: (progress: Progress, at: (seconds: number) => void) => void): string[] {
    let text = '';
    const stream = { isTTY: false, write: (chunk: string) => (text += chunk) } as unknown as NodeJS.WriteStream;
    const clock = jest.spyOn(performance, 'now');
    try {
      use(new Progress(stream), (seconds) => clock.mockReturnValue(seconds * 1000));
    } finally {
      clock.mockRestore();
    }
    return text.split('\n').slice(0, -1);
  }

  test('the first line appears at once, then one every few seconds, with rate and remaining time', () => {
    const lines = watch((progress, at) => {
      for (let second = 0; second <= 9; second++) {
        at(second);
        progress.at({ stage: 'measure', done: 10 * second, total: 100, unit: 'sequences' });
      }
    });
    expect(lines).toEqual([
      'measure  0/100 sequences',
      'measure  30/100 sequences, 10.0/s, 7.0 s left',
      'measure  60/100 sequences, 10.0/s, 4.0 s left',
      'measure  90/100 sequences, 10.0/s, 1.0 s left',
    ]);
  });

  test("a stage's own rate takes precedence; the steps of an interrupted run do not count", () => {
    const lines = watch((progress, at) => {
      at(0);
      progress.at({
        stage: 'train',
        done: 500,
        total: 1000,
        unit: 'steps',
        rate: 250,
        remainingSeconds: 2,
        loss: 0.25,
      });
      at(10);
      progress.at({ stage: 'download', done: 20e6, total: 80e6, unit: 'bytes' });
      at(15);
      progress.at({ stage: 'download', done: 30e6, total: 80e6, unit: 'bytes' });
      at(20);
      progress.at({ stage: 'upload', done: 20e3, total: 80e3, unit: 'bytes' });
    });
    expect(lines).toEqual([
      'train  500/1000 steps, 250/s, 2.0 s left, loss 0.2500',
      'download  20/80 MB',
      'download  30/80 MB, 2.00 MB/s, 25 s left',
      'upload  20/80 kB',
    ]);
  });

  test('all permanent lines are written', () => {
    const lines = watch((progress, at) => {
      at(0);
      progress.at({ stage: 'load', done: 0, total: 1, unit: 'models' });
      progress.say('epoch 1');
      progress.say('epoch 2');
    });
    expect(lines).toEqual(['load', 'epoch 1', 'epoch 2']);
  });
});
