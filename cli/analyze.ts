import type { Command } from 'commander';
import { analyze } from '../analyzer/analysis-engine';
import { follow } from '../foundation/follow';
import { percentDigits } from '../foundation/percent';
import type { HeadReport } from '../heads/head-report';
import { byScore } from '../heads/score-order';
import { writeJson } from '../job/files';
import { forgetResults } from '../job/folder-results';
import { checkFolder, inFolder } from '../job/out';
import { ANALYSIS_RESULTS } from '../job/own-folders';
import { writeReport } from '../report/files';
import { rankingInWords, stabilityInWords } from '../report/sentences';
import { addDataFlags, addRowsFlag, dataFlags } from './data-flags';
import { addAnalysisFlags, addEngineFlags, addModelFlags, analysisFlags, type Flags } from './flags';
import { printJson, secondsText, table, writeLines } from './output';
import { addJsonFlag, addOutFlag, addRuleFlags } from './output-flags';
import { inSession, modelFolder, requestedModel, show } from './session';
import { readable } from './stdin';

export function define(command: Command): void {
  addModelFlags(command);
  addRowsFlag(command, '--data', 'the rows to measure on, - for stdin; labels are not needed');
  addOutFlag(command, 'folder for heads.json and report.html', 'folder');
  addRuleFlags(command);
  addDataFlags(command, false);
  addAnalysisFlags(command);
  addEngineFlags(command, false);
  addJsonFlag(command);
  command.action(analyzeHeads);
}

async function analyzeHeads(flags: Flags): Promise<void> {
  const out = flags.out as string;
  const options = analysisFlags(flags);
  const source = dataFlags(flags, false)(flags.data as string[]);
  const rules = { overwrite: flags.overwrite === true };
  checkFolder(out, rules, ANALYSIS_RESULTS);
  const { report, rows } = await inSession(async (session) => {
    const data = await readable(source, session.signal);
    const model = await modelFolder(flags, session);
    const measured = await inFolder(out, rules, ANALYSIS_RESULTS, () => {
      const events = analyze({ model, data, options }, session.signal);
      return follow(events, (event) => show(session, event));
    });
    return { report: measured, rows: data };
  });
  forgetResults(out, 'heads.json');
  writeJson(`${out}/heads.json`, report);
  const files = ['heads.json', ...writeReport(out, { heads: report, asked: { ...requestedModel(flags), rows } })].map(
    (name) => `${out}/${name}`,
  );
  writeLines([...headsTable(report), ...files]);
  if (flags.json) await printJson(report);
}

/** Table of the best heads of each layer, with their scores. */
function headsTable(report: HeadReport): string[] {
  const { stability } = report;
  const { layers, heads } = report.model;
  const k = Math.min(report.options.k, heads);
  const stabilityLine = stabilityInWords(report);
  const percent = (share: number) => `${percentDigits(share)} %`;
  const rows = report.pagerank.map((scores, layer) => [
    String(layer),
    byScore(scores)
      .slice(0, Math.min(5, heads))
      .map(
        (head) => `${head} (${scores[head].toPrecision(3)}${stability ? `, ${percent(stability[layer][head])}` : ''})`,
      )
      .join('  '),
  ]);
  return [
    ...table(
      [
        ['layer', `best heads by PageRank${stability ? `, share of replicates with the head in the top ${k}` : ''}`],
        ...rows,
      ],
      [0],
    ),
    rankingInWords(report),
    ...(stabilityLine === null ? [] : [stabilityLine]),
    `${layers} layers of ${heads} heads, ${report.samples} sequences, ${secondsText(report.elapsedSeconds)}, ${report.deviceUsed}`,
  ];
}
