import type { DataSource } from '../data/dataset';
import { type ProblemType, problemOf } from '../data/problem';
import type { TaskHeadInfo } from '../delta/delta-info';
import type { ExportFormat } from '../delta/export-request';
import { problemStoredAs } from '../delta/problems';
import type { TrainMetrics, TrainOptions } from '../delta/training-options';
import type { HeadReport } from '../heads/head-report';
import type { Mask } from '../heads/mask';

/** Content of a report: an analysis, and for a whole run the mask, the training and its results. */
export interface ReportParts {
  /** Content of heads.json. */
  heads: HeadReport;
  /** Content of mask.json. */
  mask?: Mask;
  /** Content of metrics.json. */
  metrics?: TrainMetrics;
  /** Options of the training. */
  training?: TrainOptions;
  /** Size of the delta's files, in bytes. */
  deltaBytes?: number;
  /** Problem and labels of the logits. */
  taskHead?: TaskHeadInfo;
  /** Exported folders beside the report. */
  exports?: readonly ExportFormat[];
  /** Model and rows of the command line, which the results do not record. */
  asked?: Asked;
}

/** Model and rows of a command line. */
export interface Asked {
  /** Folder or name of the model. */
  model: string;
  /** Requested branch, tag or commit of a model by name. */
  revision?: string;
  /** Path of the model from the report's folder, if it differs from `model`. */
  base?: string;
  /** Rows of the analysis and of the training. */
  rows: DataSource;
  /** Rows for the evaluation of each epoch. */
  dev?: DataSource;
}

/** Problem of a run. */
export const problemOfRun = ({ taskHead, asked }: ReportParts): ProblemType =>
  taskHead ? problemStoredAs(taskHead.problemType) : problemOf(asked?.rows ?? {});
