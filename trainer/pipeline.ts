import { duplicateWarnings } from '../data/duplicates';
import { labelWarnings } from '../data/labels';
import { windowOptions } from '../data/word-windows';
import { countsOf } from '../delta/slices';
import { type TrainEvent, type TrainMetrics, type TrainRequest, trainOptions } from '../delta/training-options';
import { within } from '../foundation/errors';
import { resetPeakResidentBytes } from '../foundation/process-memory';
import { clock, intervalSince } from '../foundation/progress';
import { checkedMask } from '../heads/mask';
import { openCheckpoint } from '../model/checkpoint';
import { loadTokenizer } from '../model/tokenizer';
import { checkDevice } from './device';
import { readInputs, tokenLimit } from './inputs';
import type { TensorFlow } from './session';
import { Run } from './training-run';

/**
 * Fine-tunes the heads of a mask (docs/method.md): rows → tokens → frozen prefix → learning rate →
 * steps and epochs → best epoch → delta. `signal` stops it within a step. `resume` continues a run
 * that was interrupted at any point and produces a bit-identical delta.
 *
 * The caller removes the checkpoint (`clearState`) after it has stored the metrics. Until then the
 * finished run, resumed, returns the same delta and metrics without training.
 *
 * @throws HifiError INVALID_INPUT for a bad option, a mask of another base, bad rows or labels;
 *   FAILED if the loss is not finite; CANCELLED by `signal`
 */
export async function* train(
  tf: TensorFlow,
  given: TrainRequest,
  signal?: AbortSignal,
): AsyncGenerator<TrainEvent, TrainMetrics> {
  const options = trainOptions(given.options);
  const request = { ...given, options };
  checkDevice(tf, options.device);
  resetPeakResidentBytes();
  const began = clock();
  const checkpoint = await within('model', () => openCheckpoint(request.model, request.modelName));
  try {
    checkedMask(request.mask, { ...checkpoint, ...countsOf(checkpoint.config) });
    const tokenizer = await within('model', () => loadTokenizer(request.model));
    const inputs = await readInputs(request, tokenizer, {
      ...windowOptions({ ...options, maxLength: tokenLimit(checkpoint, options.maxLength) }),
      seed: options.seed,
      model: checkpoint.config,
    });
    const { train, dev, labels, duplicates } = inputs;
    const warnings = [
      ...labelWarnings(train.dataset, labels),
      ...duplicateWarnings(dev.dataset, duplicates, dev.dataset.rows),
    ];
    for (const message of warnings) yield { kind: 'warning', message };
    const run = new Run(tf, checkpoint, inputs, request, signal);
    try {
      yield intervalSince(began, 'load', { graph: (tf.graphUses ?? 1) > 1 ? 'kept' : 'new' });
      yield* run.evaluated();
      if (!run.trained) {
        yield* run.prepare();
        yield* run.chooseRate();
        yield* run.epochs();
      }
      return run.finish();
    } finally {
      run.dispose();
    }
  } finally {
    checkpoint.close();
  }
}
