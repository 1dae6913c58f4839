import { AnalyzerEngine } from '../analyzer/analysis-engine';
import { reportEngine } from '../report/write-report';
import { prepare, trainerEngine } from '../trainer/training-engine';
import type { JobSpec } from './job';

/**
 * Engines of one job on this machine, each with one child process. A child loads its modules and
 * libraries while other stages run.
 */
export class LocalEngines {
  readonly analyzer = new AnalyzerEngine();
  /** Runs scoring, training and merging. */
  readonly trainer = trainerEngine();
  readonly report = reportEngine();

  /** Loads TensorFlow and the base in the trainer's child. */
  prepareTrainer({ model, training }: JobSpec): void {
    void prepare(this.trainer, { model, options: training });
  }

  /** Ends all children. */
  async close(): Promise<void> {
    await Promise.all([this.analyzer.close(), this.trainer.close(), this.report.close()]);
  }
}
