import { percentDigits } from '../../foundation/percent';

test.each<[share: number, digits: number, border: number | undefined, text: string]>([
  [0, 0, undefined, '0'],
  [1, 0, undefined, '100'],
  [0.5, 0, undefined, '50'],
  [0.042, 1, undefined, '4.2'],
  // A share below 1 is never 100 %, and a share above 0 never 0 %.
  [0.996, 0, undefined, '99.6'],
  [0.99999, 0, undefined, '99.999'],
  [0.004, 0, undefined, '0.4'],
  [0.00001, 2, undefined, '0.001'],
  // Below the border, above it, and on it.
  [0.949, 0, 0.95, '94.9'],
  [0.9495, 0, 0.95, '94.95'],
  [0.951, 0, 0.95, '95.1'],
  [0.95, 0, 0.95, '95'],
  [0.07, 0, 0.07, '7'],
  [0.94, 0, 0.95, '94'],
])('%s with %i digits beside %s is %s %%', (share, digits, border, text) => {
  expect(percentDigits(share, digits, border)).toBe(text);
});
