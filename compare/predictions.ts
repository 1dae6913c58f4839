import * as fs from 'node:fs';
import * as path from 'node:path';
import type { RowAnswers } from '../delta/inference-options';
import { writeJson } from '../job/files';
import { type McNemar, mcnemar } from './mcnemar';
import type { Method } from './methods';
import { type RunKey, runName } from './run-record';

const fileOf = (out: string, key: RunKey) => path.join(out, 'predictions', `${runName(key)}.json`);

/** Stores a run's answers for its test rows, whole or not at all. */
export function writePredictions(out: string, key: RunKey, answers: RowAnswers): void {
  writeJson(fileOf(out, key), { schemaVersion: 1, ...answers });
}

/** Reads a run's answers; undefined if they are missing or damaged. */
function readPredictions(out: string, key: RunKey): RowAnswers | undefined {
  try {
    return JSON.parse(fs.readFileSync(fileOf(out, key), 'utf8'));
  } catch {
    return undefined;
  }
}

/** Two methods' answers for the same test rows, seed by seed. */
export interface PairedAnswers {
  first: Method;
  second: Method;
  seeds: (McNemar & { seed: number })[];
}

/**
 * Compares the answers of every two methods, in the order of the standings. A seed without the
 * answers of both is left out, and so is a pair without any seed: answers that are numbers are not
 * right or wrong.
 */
export function pairedAnswers(
  out: string,
  standings: readonly Pick<RunKey, 'contestant' | 'lr'>[],
  seeds: readonly number[],
): PairedAnswers[] {
  const right = standings.map(({ contestant, lr }) =>
    seeds.map((seed) => readPredictions(out, { contestant, seed, lr })?.right),
  );
  return standings.flatMap(({ contestant: first }, i) =>
    standings.slice(i + 1).flatMap(({ contestant: second }, j): PairedAnswers[] => {
      const compared = seeds.flatMap((seed, s) => {
        const [a, b] = [right[i][s], right[i + 1 + j][s]];
        return a !== undefined && a.length === b?.length ? [{ seed, ...mcnemar(a, b) }] : [];
      });
      return compared.length > 0 ? [{ first, second, seeds: compared }] : [];
    }),
  );
}
