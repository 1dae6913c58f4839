import { EXPORT_FORMATS, type ExportFormat } from '../delta/export-request';
import { HifiError, invalidValue, renamed, shown } from '../foundation/errors';
import { unitsToChoose } from '../heads/select';
import type { Calls } from '../infra/grpc/client';
import type { JobSpec } from '../job/job';
import { AnalyzerService, type DescribeModelResponse } from '../proto/gen/hifi/v1/analyzer_pb';
import type { TextDataset } from '../proto/gen/hifi/v1/dataset_pb';
import type { JobSpec as SpecMessage } from '../proto/gen/hifi/v1/gateway_pb';
import { onnxDtypesOf } from '../proto/onnx';
import { analysisOptionsOf, selectionOptionsOf, trainingOptionsOf } from '../proto/options';
import { RpcError, rpcErrorOf, status } from '../proto/status';
import { checkName } from './registry/reference';

/** A job's spec with its defaults filled in. */
export type ServedSpec = JobSpec<TextDataset> & {
  analyzeOnly: boolean;
  /** Name under which to register the delta. */
  registerAs?: string;
};

/** Longest wait for the analyzer's description of a model, in milliseconds. */
const DESCRIBE_MS = 5000;

/**
 * Checks a client's spec, without reading the files that it names.
 *
 * @throws HifiError INVALID_INPUT naming the field, such as `spec.training.lr`
 */
export function servedSpec(spec: SpecMessage): ServedSpec {
  if (spec.model === '')
    throw invalidValue({ field: 'spec.model', value: 'missing', expected: "a model's name or folder" });
  if (!spec.train) {
    throw invalidValue({ field: 'spec.train', value: 'missing', expected: 'the rows to analyse and train on' });
  }
  return {
    model: spec.model,
    train: spec.train,
    ...(spec.dev && { dev: spec.dev }),
    analysis: analysisOptionsOf(spec.analysis, 'spec.analysis'),
    selection: selectionOptionsOf(spec.selection, 'spec.selection'),
    training: trainingOptionsOf(spec.training, 'spec.training'),
    exports: spec.exports.map(formatNamed),
    onnxDtypes: onnxDtypesOf(spec.onnxDtypes, 'spec.onnx_dtypes'),
    analyzeOnly: spec.analyzeOnly ?? false,
    ...(spec.registerAs !== undefined && { registerAs: nameOf(spec.registerAs, spec.analyzeOnly === true) }),
  };
}

function nameOf(name: string, analyzeOnly: boolean): string {
  const field = 'spec.register_as';
  checkName(name, field);
  if (!analyzeOnly) return name;
  throw invalidValue({ field, value: shown(name), expected: 'left out: an analysis makes no delta' });
}

function formatNamed(format: string, i: number): ExportFormat {
  const known = EXPORT_FORMATS.find((name) => name === format);
  if (known) return known;
  const expected = `one of ${EXPORT_FORMATS.join(', ')}`;
  throw invalidValue({ field: `spec.exports[${i}]`, value: shown(format), expected });
}

/**
 * Checks a spec against its model: the analyzer must know the model, and the model must have enough
 * heads. Accepts the spec if the analyzer is away.
 *
 * @throws RpcError the analyzer's error for the model; HifiError INVALID_INPUT for a `k` or
 *   `budget` that the model does not allow
 */
export async function checkModel(spec: ServedSpec, analyzer: Calls, signal: AbortSignal): Promise<void> {
  let model: DescribeModelResponse;
  try {
    const settings = { signal, timeoutMs: DESCRIBE_MS };
    model = await analyzer.unary(AnalyzerService.method.describeModel, { model: spec.model }, settings);
  } catch (thrown) {
    const error = rpcErrorOf(thrown);
    if (error.code === status.UNAVAILABLE || error.code === status.DEADLINE_EXCEEDED) return;
    const violations = error.details.violations?.map((each) => ({ ...each, field: 'spec.model' }));
    throw new RpcError(error.code, error.reason, error.message, { ...error.details, violations });
  }
  if (spec.analyzeOnly) return;
  try {
    unitsToChoose(spec.selection, model);
  } catch (thrown) {
    const error = HifiError.from(thrown);
    throw renamed(error, `spec.selection.${error.field}`);
  }
}
