import { TOKENIZER_FILES } from '../model/tokenizer/files';
import { REPORT_FILES } from '../report/files';
import { ADAPTER_CARD, ADAPTER_CONFIG, ADAPTER_TENSORS } from '../results/adapter-export';
import { DELTA_INFO, DELTA_TENSORS } from '../results/delta';
import type { ExportFormat } from '../results/export-request';
import { UNDO_FILE } from '../results/undo';
import type { OwnFolder, OwnFolders } from './out';

/*
 * The folders that commands write: what is in them tells them from a user's own, which are never replaced.
 */

const MODEL_PARTS = ['model.safetensors', 'config.json', ...TOKENIZER_FILES];

/** A base model, rebuilt. */
export const MODEL_FOLDER: OwnFolder = { parts: MODEL_PARTS, sign: 'model.safetensors' };
/** A merged checkpoint. A base model has the same files, but for what undoes the merge. */
const CHECKPOINT_FOLDER: OwnFolder = { parts: [UNDO_FILE, ...MODEL_PARTS], sign: UNDO_FILE };
/** Exports by format. */
export const EXPORT_FOLDERS: Record<ExportFormat, OwnFolder> = {
  checkpoint: CHECKPOINT_FOLDER,
  peft: { parts: [ADAPTER_CONFIG, ADAPTER_TENSORS, ADAPTER_CARD], sign: ADAPTER_CONFIG },
  onnx: { parts: ['onnx', ...MODEL_PARTS], sign: 'onnx' },
};
export const DELTA_FOLDER: OwnFolder = { parts: [DELTA_INFO, DELTA_TENSORS], sign: DELTA_INFO };
export const REPORT_FOLDER: OwnFolder = { parts: REPORT_FILES };
/** What a whole job leaves in its folder, besides files. */
export const JOB_FOLDERS: OwnFolders = { delta: DELTA_FOLDER, report: REPORT_FOLDER, ...EXPORT_FOLDERS };
