import { bytesText, grouped, percentText, secondsText, table } from '../../cli/output';
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

test('amounts read well', () => {
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

describe('progress where stderr is no terminal', () => {
  /** Lines that are written while the clock stands where `at` puts it, in seconds. */
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

  test('the first line comes at once, then one every few seconds, with rate and time left', () => {
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

  test("a stage's own rate counts; what a cut run had done does not", () => {
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
    });
    expect(lines).toEqual([
      'train  500/1000 steps, 250/s, 2.0 s left, loss 0.2500',
      'download  20/80 MB',
      'download  30/80 MB, 2.00 MB/s, 25 s left',
    ]);
  });

  test('lines that stay are all written', () => {
    const lines = watch((progress, at) => {
      at(0);
      progress.at({ stage: 'load', done: 0, total: 1, unit: 'models' });
      progress.say('epoch 1');
      progress.say('epoch 2');
    });
    expect(lines).toEqual(['load', 'epoch 1', 'epoch 2']);
  });
});
