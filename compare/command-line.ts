import type { DataSource } from '../data/dataset';
import { SELECTION_DEFAULTS } from '../heads/select';
import { columnFlags, commandText, fileFlags, labelFlags, longTextFlags } from '../report/shell';
import { budgetMethods } from './budget-notes';
import { unitsOf } from './methods';
import type { ComparisonResults } from './summary';

/** Options of a comparison's command line that its results do not record. */
export interface AskedComparison {
  model: string;
  revision?: string;
  train: DataSource;
  test: readonly DataSource[];
  device: string;
  threads?: number;
}

/** Command that repeats a comparison. It has every option, so other defaults do not change it. */
export function comparisonCommand(
  { settings, seeds, standings, reference, failed = [], budget }: ComparisonResults,
  { model, revision, train, test, device, threads }: AskedComparison,
): string {
  const { rows, size, tune, lrs, samples, training } = settings;
  const [drawn, count] = 'rowsPerClass' in rows ? ['rows-per-class', rows.rowsPerClass] : ['rows', rows.rows];
  const asked = budget?.seeds ?? seeds;
  const compared = [...standings, ...failed].map(({ contestant }) => contestant);
  const methods = new Set([...compared, ...(budget ? budgetMethods(budget) : [])]);
  // The default number of neurons depends on the model.
  const heads = unitsOf([...methods], tune).has('neurons') ? undefined : SELECTION_DEFAULTS.k;
  const [sized, amount] = 'budget' in size ? ['budget', size.budget] : ['k', size.k ?? heads];
  return commandText('npx hifi compare', [
    ['model', model],
    ['revision', revision],
    ...fileFlags('train', train),
    ...test.flatMap((each) => fileFlags('test', each)),
    ...columnFlags(train),
    ['strategies', [...methods].join(',')],
    ['seeds', asked.every((seed, i) => seed === i) ? asked.length : asked.join(',')],
    ['reference', budget?.reference ?? reference],
    ['minutes', budget?.minutes],
    [drawn, count],
    ['dev-rows', rows.dev],
    ['lrs', lrs.join(',')],
    [sized, amount],
    ['tune', tune],
    ['samples', samples],
    ['epochs', training.epochs],
    ['batch-size', training.batchSize],
    ['warmup', training.warmup],
    ['weight-decay', training.weightDecay],
    ['max-length', training.maxLength],
    ...longTextFlags(training),
    ...labelFlags(training),
    ['device', device],
    ['threads', threads],
    ['precision', training.precision],
    ['out', 'out'],
  ]);
}
