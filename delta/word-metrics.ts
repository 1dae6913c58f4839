import { scoresOf, sumOfCounts } from './class-scores';
import { countsOf, entityConfusion } from './confusion';
import { entitiesOf } from './entities';

/*
 * Metrics of the problem `tokens`. Rows are class indices, one per word. // [words]
 */

type Rows = ArrayLike<Int32Array>;

/**
 * F1 of entities: one counts if its type and both ends agree. 0 if no row has and no row is
 * predicted an entity.
 */
export const entityF1 = (predictions: Rows, targets: Rows, names: readonly string[]): number =>
  scoresOf(sumOfCounts(countsOf(entityConfusion(predictions, targets, names)))).f1;

/** Returns true if no word is in an entity. */
export const hasNoEntity = (targets: Rows, names: readonly string[]): boolean =>
  Array.from(targets).every((row) => entitiesOf(Array.from(row, (index) => names[index])).length === 0);

/** Share of words whose tag is right; 0 without words. */
export function wordAccuracy(predictions: Rows, targets: Rows): number {
  let [right, all] = [0, 0];
  for (let row = 0; row < targets.length; row++) {
    right += targets[row].reduce((sum, tag, at) => sum + (tag === predictions[row][at] ? 1 : 0), 0);
    all += targets[row].length;
  }
  return all === 0 ? 0 : right / all;
}
