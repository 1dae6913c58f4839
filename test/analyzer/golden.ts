import * as fs from 'node:fs';
import type { CorrelationKind, HeadReport, Scope, Teleport } from '../../heads/head-report';
import { fixture } from './run';

export interface Ranking {
  correlation: CorrelationKind;
  teleport: Teleport;
  damping: number;
  scope: Scope;
  pagerank: number[][];
  rankCorrelations: { richness: number; correlationSum: number }[];
}

export interface GoldenAnalysis {
  rows: { ids: number[]; typeIds: number[] }[];
  samples: number;
  closeCalls: { row: number; layer: number; head: number; xi: number }[];
  richnessByXi: Record<string, number[][]>;
  richnessStderr: number[][];
  correlation: Record<CorrelationKind, number[][]>;
  activation: number[][];
  spectrum: number[][][];
  rankings: Ranking[];
  /** Hidden states [L+1][S][d] of some rows. */
  hidden?: { row: number; states: number[][][] }[];
}

export interface Golden {
  maxLength: number;
  headNorms: number[][];
  analyses: Record<string, GoldenAnalysis>;
}

/** Results of oracle.py, see test/fixtures/README.md. */
export const goldenOf = (file: string): Golden => JSON.parse(fs.readFileSync(fixture(file), 'utf8'));

/** Checks that all numbers of `found` are within `tolerance` of those of `wanted`. */
export function expectNear(found: unknown, wanted: unknown, tolerance: number): void {
  const [a, b] = [[found].flat(9) as number[], [wanted].flat(9) as number[]];
  expect(a).toHaveLength(b.length);
  for (const [i, value] of b.entries()) expect(Math.abs(a[i] - value)).toBeLessThanOrEqual(tolerance);
}

/** Checks that counts are the oracle's, unless the oracle was within 1e-5 of the next count. */
export function expectSameCounts(report: HeadReport, golden: GoldenAnalysis): void {
  for (const [xi, perHead] of Object.entries(golden.richnessByXi)) {
    for (const [layer, heads] of perHead.entries()) {
      for (const [head, richness] of heads.entries()) {
        const close = golden.closeCalls.filter((c) => c.layer === layer && c.head === head && String(c.xi) === xi);
        const apart = Math.abs(report.richnessByXi[xi][layer][head] - richness) * golden.samples;
        expect(apart).toBeLessThanOrEqual(close.length + 1e-4);
      }
    }
  }
}
