import * as fs from 'node:fs';
import * as path from 'node:path';
import { readDelta } from '../delta/delta';
import { follow } from '../foundation/follow';
import type { ScoreStrategy } from '../heads/scores';
import { selectHeads } from '../heads/select';
import type { Asked } from '../report/parts';
import { drawReport } from '../report/write-report';
import { devRows } from '../trainer/dev-rows';
import { exportModel, scoreHeads, train } from '../trainer/training-engine';
import { type JobStages, scoringOf } from './job';
import type { LocalEngines } from './local-engines';
import { folderBytes, replaceFolder } from './out';
import { EXPORT_FOLDERS } from './own-folders';

/**
 * Stages that run each engine in a child process and store results in `out`.
 *
 * @param asked the model as the user named it
 */
export function localStages(
  out: string,
  resume: boolean,
  asked: Pick<Asked, 'model' | 'revision'>,
  { analyzer, trainer: engine, report }: LocalEngines,
): JobStages {
  const delta = path.join(out, 'delta');
  return {
    async *analyze({ model, train: data, analysis }, signal) {
      try {
        return yield* analyzer.analyze({ model, data, options: analysis }, signal);
      } finally {
        // Its memory is freed beside the next stage.
        void analyzer.close();
      }
    },
    score: (spec, { samples }, signal) => {
      const { model, train: rows, selection } = spec;
      const strategy = selection.strategy as ScoreStrategy;
      return scoreHeads({ model, train: rows, strategy, options: { samples, ...scoringOf(spec) } }, signal, { engine });
    },
    select: selectHeads,
    train: ({ model, train: rows, dev, training }, mask, signal) =>
      train({ model, train: rows, dev, mask, options: training, out, resume }, signal, { engine }),
    export: ({ model, train: rows, dev, training: options, onnxDtypes }, format, signal) => {
      report.start();
      const evaluation = devRows({ train: rows, dev, options });
      return replaceFolder(path.join(out, format), EXPORT_FOLDERS[format], true, (folder) =>
        follow(
          exportModel({ format, model, delta, onnxDtypes, evaluation, out: folder }, signal, { engine }),
          () => {},
        ),
      );
    },
    report: async ({ training, train: rows, dev, exports }, result, signal) => {
      const deltaBytes = folderBytes(delta);
      const { info: taskHead } = readDelta(delta);
      const base = beside(out, asked.model);
      const recorded = { deltaBytes, taskHead, exports, asked: { ...asked, base, rows, ...(dev && { dev }) } };
      await drawReport(report, out, { ...result, training, ...recorded }, signal);
    },
  };
}

/** Path of a model's folder relative to `out`; a name stays as it is. */
const beside = (out: string, model: string) =>
  fs.existsSync(model) && !path.isAbsolute(model) ? path.relative(out, model) : model;
