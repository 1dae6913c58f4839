import { evaluationBatches, lengthsOf } from '../data/batches';
import type { ScoreEvent } from '../delta/score-options';
import { tuningOf } from '../delta/tuning';
import { breathe } from '../foundation/breathe';
import { failed, invalidInput } from '../foundation/errors';
import { StageMeter } from '../foundation/progress';
import { contrastiveLoss } from './contrastive-loss';
import { allHeads, sumsByHead } from './head-slices';
import { POOLED } from './loss';
import { FreshRows } from './prefix';
import { Program } from './program';
import { type Scored, type ScoredRows, type Scoring, withoutDropout, withoutError } from './scoring';
import { trainable } from './trainable';

/** Temperature τ of the loss, as Khosla et al. (2020) train with. */
const TEMPERATURE = 0.1;

/** Rows whose embeddings, and gradients, the engine computes in one run. */
const BATCH_ROWS = 32;

/**
 * Strategy `contrast`: Σ g² of a head's slice, where g is the gradient of the supervised
 * contrastive loss ({@link contrastiveLoss}) of all scored rows at once, without dropout and
 * without a task head. A row's embedding is the mean of its real tokens in the last layer's output.
 * GPS (Zhang et al. 2024, arXiv 2312.10136) chooses single parameters by the gradient of this loss.
 *
 * @throws HifiError INVALID_INPUT if no class has two rows
 */
export async function* contrastScores(scoring: Scoring, rows: ScoredRows): AsyncGenerator<ScoreEvent, Scored> {
  const { tf, tokens, tune, seed, signal } = scoring;
  const checkpoint = withoutDropout(scoring.checkpoint);
  const tuning = tuningOf(checkpoint.config, allHeads(checkpoint, tune));
  const outputs = checkpoint.config.hiddenSize;
  const { layout, initial } = trainable(checkpoint, tuning, outputs, seed, 'none');
  const program = new Program(tf, { checkpoint, tuning, layout, outputs, objective: POOLED }, initial);
  try {
    const hidden = new FreshRows({ program, checkpoint, tokens }, rows.encoded);
    const batches = evaluationBatches(lengthsOf(rows.encoded), BATCH_ROWS);
    const meter = new StageMeter('score', 2 * rows.encoded.length, 'sequences');
    let done = 0;
    yield meter.at(done);
    const embeddings = new Array<Float32Array>(rows.encoded.length);
    for (const batch of batches) {
      const means = program.logits(hidden.read(batch)); // [B, d]
      batch.forEach((row, i) => {
        embeddings[row] = means.subarray(i * outputs, (i + 1) * outputs);
      });
      done += batch.length;
      yield meter.at(done);
      await breathe(signal);
    }
    const found = contrastiveLoss(embeddings, rows.targets as ArrayLike<number>, TEMPERATURE);
    if (!found)
      throw invalidInput('strategy contrast needs two rows of one class; no class of the sampled rows has two');
    const sum = new Float64Array(layout.size);
    for (const batch of batches) {
      const byMeans = Array.from(batch, (row) => Float32Array.from(found.gradient[row]));
      const { norm, gradient } = program.gradient(hidden.read(batch), byMeans, { seed: 0, step: 0 });
      const values = gradient.values();
      gradient.dispose();
      if (!Number.isFinite(norm)) throw failed(`the gradient's norm is ${norm}`);
      for (let i = 0; i < sum.length; i++) sum[i] += values[i];
      done += batch.length;
      yield meter.at(done);
      await breathe(signal);
    }
    return withoutError(sumsByHead(checkpoint, { layout, tune }, (at) => sum[at] ** 2));
  } finally {
    program.close();
  }
}
