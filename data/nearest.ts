import * as fs from 'node:fs';
import * as path from 'node:path';

/**
 * Finds the most similar known name by edit distance; a difference in letter case counts half.
 * @returns undefined if no name is near
 */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, name.length / 2) + 0.5;
  for (const candidate of known) {
    const distance = editDistance(name, candidate);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** Number of insertions, deletions and replacements between two names; a change of case is 0.5. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : a[i - 1].toLowerCase() === b[j - 1].toLowerCase() ? 0.5 : 1;
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + same));
    }
    row = next;
  }
  return row[b.length];
}

/** Suggests the nearest known name as `; did you mean "x"?`; empty if none is near. */
export function didYouMean(name: string, known: Iterable<string>): string {
  const match = nearest(name, known);
  return match === undefined ? '' : `; did you mean "${match}"?`;
}

/**
 * Suggests a sibling of a missing path as `; did you mean "x"?`; empty if none is near.
 *
 * @param among candidates: files and folders, or folders alone
 */
export function nearestSibling(missing: string, among: 'all' | 'folders' = 'all'): string {
  try {
    const entries = fs.readdirSync(path.dirname(missing), { withFileTypes: true });
    const meant = entries.filter((entry) => among === 'all' || entry.isDirectory());
    return didYouMean(
      path.basename(missing),
      meant.map((entry) => entry.name),
    );
  } catch {
    return '';
  }
}
