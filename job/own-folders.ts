import { ADAPTER_CARD, ADAPTER_CONFIG, ADAPTER_TENSORS } from '../delta/adapter-export';
import { DELTA_INFO, DELTA_TENSORS } from '../delta/delta';
import type { ExportFormat } from '../delta/export-request';
import { ONNX_FILES } from '../delta/onnx-folder';
import { UNDO_FILE } from '../delta/undo';
import type { OwnFolder } from '../foundation/whole-folder';
import { TOKENIZER_FILES } from '../model/tokenizer/files';
import { WEIGHTS_INDEX } from '../model/weights';
import { REPORT_FILES } from '../report/files';
import type { OwnResults } from './out';

/*
 * Files that commands write into their `--out`. The names distinguish hifi's files from a user's,
 * which are never replaced or removed. A folder that holds any other file, at any depth, is refused
 * before any work.
 */

const CONFIG_FILES = ['config.json', ...TOKENIZER_FILES];
const WEIGHTS = 'model.safetensors';
const ONNX_MODELS = Object.values(ONNX_FILES);

/** Rebuilt base model, in one file or sharded. */
export const MODEL_FOLDER: OwnFolder = {
  parts: [WEIGHTS, WEIGHTS_INDEX, /model-\d{5}-of-\d{5}\.safetensors/, ...CONFIG_FILES],
  signs: [WEIGHTS, WEIGHTS_INDEX],
};
/** Merged checkpoint: the files of a base model and the undo file. */
const CHECKPOINT_FOLDER: OwnFolder = { parts: [UNDO_FILE, WEIGHTS, ...CONFIG_FILES], signs: [UNDO_FILE] };
/** Exports by format. */
export const EXPORT_FOLDERS: Record<ExportFormat, OwnFolder> = {
  checkpoint: CHECKPOINT_FOLDER,
  peft: { parts: [ADAPTER_CONFIG, ADAPTER_TENSORS, ADAPTER_CARD], signs: [ADAPTER_CONFIG] },
  onnx: { parts: [...ONNX_MODELS, ...ONNX_MODELS.map((file) => `${file}_data`), ...CONFIG_FILES], signs: ONNX_MODELS },
};
const DELTA_FOLDER: OwnFolder = { parts: [DELTA_INFO, DELTA_TENSORS], signs: [DELTA_INFO] };
const REPORT_FOLDER: OwnFolder = { parts: REPORT_FILES };

/** Results of `hifi analyze`. */
export const ANALYSIS_RESULTS: OwnResults = {
  files: ['heads.json', 'report.html'],
  folders: { report: REPORT_FOLDER },
};
/** Results of `hifi train`. */
export const TRAINING_RESULTS: OwnResults = { files: ['metrics.json'], folders: { delta: DELTA_FOLDER } };
/** Results of `hifi ablate`. */
export const ABLATION_RESULTS: OwnResults = { files: ['ablation.json', 'report.html'], folders: {} };
/** Results of a whole job. */
export const JOB_RESULTS: OwnResults = {
  files: ['heads.json', 'scores.json', 'mask.json', 'metrics.json', 'report.html'],
  folders: { delta: DELTA_FOLDER, report: REPORT_FOLDER, ...EXPORT_FOLDERS },
};
