import { create } from '@bufbuild/protobuf';
import { invalidValue, shown } from '../foundation/errors';
import { reportOptions } from '../heads/analysis-options';
import type { HeadReport } from '../heads/head-report';
import { byScore } from '../heads/score-order';
import { ReportView } from './gen/hifi/v1/analyzer_pb';
import {
  type HeadReport as HeadReportMessage,
  HeadReportSchema,
  type RankedHead,
  RankedHeadSchema,
} from './gen/hifi/v1/heads_pb';
import { matrixOf, present } from './matrix';
import { measuredRowsMessage, measuredRowsOf } from './measured-rows';
import { modelMessage, modelOf } from './model';
import { analysisMessage, analysisOptionsOf } from './options';

/** Detail of a report's message. */
export type View = 'basic' | 'full';

/** Number of the model's best heads in the basic view. */
const BEST = 5;

/** Returns the view of a request. @throws HifiError INVALID_INPUT for an unknown view */
export function viewOf(view: ReportView = ReportView.BASIC, field = 'view'): View {
  if (view === ReportView.FULL) return 'full';
  if (view === ReportView.BASIC || view === ReportView.UNSPECIFIED) return 'basic';
  throw invalidValue({ field, value: shown(view), expected: 'REPORT_VIEW_BASIC or REPORT_VIEW_FULL' });
}

/** A report with its warnings for the user. */
export interface ReportWithWarnings {
  report: HeadReport;
  warnings: string[];
}

export function reportMessage({ report, warnings }: ReportWithWarnings, view: View): HeadReportMessage {
  const { model, samples, deviceUsed, elapsedSeconds } = report;
  const { layers, heads, headDim } = model;
  return create(HeadReportSchema, {
    model: modelMessage(view === 'basic' ? { ...model, layerParameters: undefined, neurons: undefined } : model),
    samples,
    layers,
    heads,
    headDim,
    deviceUsed,
    elapsedSeconds,
    warnings,
    ...(view === 'basic' ? { topHeads: bestOfModel(report) } : { topHeads: bestOfLayers(report), ...measured(report) }),
  });
}

/** Fields of the full view alone. */
function measured(report: HeadReport) {
  const { richness, richnessStderr, richnessByXi, correlation, stability, rankCorrelations, options } = report;
  return {
    richness: richness.flat(),
    richnessStderr: richnessStderr.flat().filter((error) => error !== null),
    richnessByXi: Object.entries(richnessByXi).map(([xi, values]) => ({ xi: Number(xi), richness: values.flat() })),
    pearson: correlation.pearson.flat(),
    covariance: correlation.covariance.flat(),
    pagerank: report.pagerank.flat(),
    activation: report.activation.flat(),
    headNorms: report.headNorms.flat(),
    stability: stability?.flat() ?? [],
    rankCorrelations,
    spectrum: report.spectrum.flat(2),
    iterations: report.iterations,
    data: measuredRowsMessage(report.data),
    options: analysisMessage(options),
  };
}

function bestOfModel({ model, pagerank, stability }: HeadReport): RankedHead[] {
  const scores = pagerank.flat();
  return byScore(scores)
    .slice(0, BEST)
    .map((node) => rankedHead(Math.floor(node / model.heads), node % model.heads, scores[node], stability));
}

function bestOfLayers({ pagerank, stability, options }: HeadReport): RankedHead[] {
  return pagerank.flatMap((scores, layer) =>
    byScore(scores)
      .slice(0, options.k)
      .map((head) => rankedHead(layer, head, scores[head], stability)),
  );
}

const rankedHead = (layer: number, head: number, score: number, stability: HeadReport['stability']): RankedHead =>
  create(RankedHeadSchema, { layer, head, score, ...(stability && { stability: stability[layer][head] }) });

/**
 * Converts a full view back to the report that was sent.
 *
 * @throws HifiError INVALID_INPUT for a basic view, which lacks the matrices, and for matrices of
 *   other sizes
 */
export function reportOf(message: HeadReportMessage, field = 'report'): ReportWithWarnings {
  const { layers, heads, headDim, samples } = message;
  const at = (part: string) => `${field}.${part}`;
  const nodes = layers * heads;
  const perHead = (values: readonly number[], part: string) => matrixOf(values, layers, heads, at(part));
  const perPair = (values: readonly number[], part: string) => matrixOf(values, nodes, nodes, at(part));
  const spectrum = matrixOf(message.spectrum, nodes, headDim, at('spectrum'));
  const { richnessStderr, stability } = message;
  const report: HeadReport = {
    schemaVersion: 1,
    model: modelOf(message.model, { layers, heads, headDim }, at('model')),
    data: measuredRowsOf(message.data, at('data')),
    options: reportOptions(analysisOptionsOf(message.options, at('options'))),
    samples,
    richness: perHead(message.richness, 'richness'),
    richnessStderr:
      richnessStderr.length === 0
        ? Array.from({ length: layers }, () => new Array<null>(heads).fill(null))
        : perHead(richnessStderr, 'richness_stderr'),
    richnessByXi: Object.fromEntries(
      message.richnessByXi.map(({ xi, richness }, i) => [String(xi), perHead(richness, `richness_by_xi[${i}]`)]),
    ),
    correlation: {
      pearson: perPair(message.pearson, 'pearson'),
      covariance: perPair(message.covariance, 'covariance'),
    },
    pagerank: perHead(message.pagerank, 'pagerank'),
    activation: perHead(message.activation, 'activation'),
    headNorms: perHead(message.headNorms, 'head_norms'),
    stability: stability.length === 0 ? null : perHead(stability, 'stability'),
    rankCorrelations: message.rankCorrelations.map(({ richness = 0, correlationSum = 0 }) => ({
      richness,
      correlationSum,
    })),
    spectrum: Array.from({ length: layers }, (_, layer) => spectrum.slice(layer * heads, (layer + 1) * heads)),
    iterations: present(message.iterations, at('iterations')),
    deviceUsed: deviceOf(message.deviceUsed, at('device_used')),
    elapsedSeconds: message.elapsedSeconds,
  };
  return { report, warnings: [...message.warnings] };
}

/** Checks a device. @throws HifiError INVALID_INPUT unless it is cpu or cuda */
export function deviceOf(device: string, field: string): 'cpu' | 'cuda' {
  if (device === 'cpu' || device === 'cuda') return device;
  throw invalidValue({ field, value: shown(device), expected: 'cpu or cuda' });
}
