import type { DataSource } from '../data/dataset';
import type { TaskHeadInfo } from '../delta/delta-info';
import type { ExportFormat } from '../delta/export-request';
import type { TrainMetrics, TrainOptions } from '../delta/training-options';
import type { HeadReport } from '../heads/head-report';
import type { Mask } from '../heads/mask';

/** What there is to tell: an analysis, and of a whole run the heads chosen, the training and what came of it. */
export interface ReportParts {
  /** heads.json. */
  heads: HeadReport;
  /** mask.json. */
  mask?: Mask;
  /** metrics.json. */
  metrics?: TrainMetrics;
  /** How it was trained. */
  training?: TrainOptions;
  /** Bytes of the delta's files. */
  deltaBytes?: number;
  /** What the logits mean. */
  taskHead?: TaskHeadInfo;
  /** The folders beside the report that were made of the delta. */
  exports?: readonly ExportFormat[];
  /** What was asked for, as far as the results do not tell it. */
  asked?: Asked;
}

/** The part of a command line that names model and rows. */
export interface Asked {
  /** Its folder or its name. */
  model: string;
  /** Branch, tag or commit of a name, where one was asked for. */
  revision?: string;
  /** Where the model is found from the report's folder, if that is another name for it. */
  base?: string;
  /** The rows that were analysed, and of a run trained on. */
  rows: DataSource;
  /** Those that the epochs were judged by. */
  dev?: DataSource;
}
