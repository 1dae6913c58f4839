import { randomUUID } from 'node:crypto';
import * as os from 'node:os';
import * as path from 'node:path';
import { type Encoded, encodeRows, evaluationBatches, lengthsOf, likeLengthBatches } from '../data/batches';
import { readDataset, rowNumber, selectRows } from '../data/dataset';
import { encodeLabels, fitLabels, type LabelSet } from '../data/labels';
import { drawSample, holdOut } from '../data/split';
import { cancelled, failed, within } from '../errors';
import type { ReportData } from '../heads/report';
import type { HeadScores } from '../heads/scores';
import { type Checkpoint, openCheckpoint } from '../model/checkpoint';
import { loadTokenizer } from '../model/tokenizer';
import { StageMeter } from '../progress';
import { checkDevice } from './device';
import { Embeddings } from './embeddings';
import { GateGradients, NO_HEADS } from './gate-gradients';
import { allRows, type LabelledRows, tokenLimit } from './inputs';
import { embedRows, type HiddenRows, hiddenRows } from './prefix';
import { Program, type ProgramParts } from './program';
import { type ScoreEvent, type ScoreRequest, scoreOptions } from './score-options';
import { deviceOf, type TensorFlow } from './session';
import { trainable } from './trainable';
import { Training } from './training';

/**
 * How the task head is trained before, on the very rows that are scored: that many passes, more where they are fewer steps.
 * Enough that it is no random one, and no more: on 300 rows of CoLA with MiniLM ten passes begin to learn the rows by heart (mean
 * loss 0.60 in the first, 0.51 in the third, 0.34 in the tenth), and the scores' rank correlation with one pass is 0.97 after three.
 */
const WARM_UP = { epochs: 3, leastSteps: 30, batchSize: 32, lr: 1e-3, warmup: 0.06, weightDecay: 0 };

/** Rows that are differentiated together. */
const BATCH_ROWS = 8;

/**
 * Scores all heads by strategy `gradient` (Michel et al. 2019; METHOD §3): rows → tokens → a task head trained a little on the
 * frozen encoder → the mean of |∂loss/∂gate| over the sequences. The sample is drawn from the training rows but for the tenth
 * that a training without dev rows holds out: what it is judged by has no say in the choice. The same request gives the same scores.
 *
 * @throws INVALID_INPUT for a bad option, bad rows or labels; FAILED where a loss or a score is no finite number; CANCELLED by
 *   `signal`, within a batch
 */
export async function* scoreHeads(
  tf: TensorFlow,
  request: ScoreRequest,
  signal?: AbortSignal,
): AsyncGenerator<ScoreEvent, HeadScores> {
  const options = scoreOptions(request.options);
  checkDevice(tf, options.device);
  const checkpoint = await within('model', () => openCheckpoint(request.model, request.modelName));
  try {
    const maxLength = tokenLimit(checkpoint, options.maxLength);
    const started = performance.now();
    const { labels, data, rows } = await within('train', () =>
      readSample(checkpoint, request, { ...options, maxLength }),
    );
    if (data.sampleIds.length < options.samples) {
      const message = `${data.path} has ${data.rows} rows to score with, fewer than the ${options.samples} to sample: all are used`;
      yield { kind: 'warning', message };
    }
    const scoring = new Scoring(tf, checkpoint, labels, rows, options.seed, signal);
    const { head, warmUp } = yield* scoring.warmUp();
    const { scores, scoresStderr } = yield* scoring.score(head);
    const { name, sha256, parameters, config } = checkpoint;
    const { architecture, layers, heads, headDim, hiddenSize } = config;
    return {
      schemaVersion: 1,
      strategy: request.strategy,
      model: { name, sha256, architecture, layers, heads, headDim, hiddenSize, parameters },
      data,
      options: { samples: options.samples, maxLength: options.maxLength },
      seed: options.seed,
      samples: data.sampleIds.length,
      scores,
      scoresStderr,
      warmUp,
      deviceUsed: deviceOf(tf),
      elapsedSeconds: (performance.now() - started) / 1000,
    };
  } finally {
    checkpoint.close();
  }
}

async function readSample(
  checkpoint: Checkpoint,
  { model, train }: ScoreRequest,
  { samples, maxLength, seed }: { samples: number; maxLength: number; seed: number },
): Promise<{ labels: LabelSet; data: ReportData; rows: LabelledRows }> {
  const whole = await readDataset(train, 'labels');
  const labels = fitLabels(whole);
  const kept = holdOut(whole.rows, seed).train;
  const sample = drawSample(kept.length, samples, seed);
  const dataset = selectRows(
    whole,
    sample.map((row) => kept[row]),
  );
  const encoded = encodeRows(dataset, allRows(dataset), loadTokenizer(model), maxLength, checkpoint.config);
  const { path, sha256 } = whole;
  const sampleIds = Array.from(allRows(dataset), (row) => rowNumber(dataset, row));
  return {
    labels,
    data: { path, sha256, rows: kept.length, sampleIds },
    rows: { dataset, encoded, targets: encodeLabels(dataset, labels) },
  };
}

/** The two halves of a scoring; each has a graph of its own, so that the base's layers are in memory once. */
class Scoring {
  private readonly parts: ProgramParts;
  private readonly embeddings: Embeddings;
  private readonly initial: Float32Array;

  constructor(
    private readonly tf: TensorFlow,
    private readonly checkpoint: Checkpoint,
    labels: LabelSet,
    private readonly rows: LabelledRows,
    private readonly seed: number,
    private readonly signal: AbortSignal | undefined,
  ) {
    const outputs = labels.kind === 'classes' ? labels.names.length : 1;
    const { layout, initial } = trainable(checkpoint, NO_HEADS, outputs, seed);
    this.parts = { checkpoint, mask: NO_HEADS, layout, outputs, problem: labels.kind };
    this.embeddings = new Embeddings(checkpoint);
    this.initial = initial;
  }

  /** Trains the task head on the frozen encoder's output, which is computed once. `head`: its numbers. // [P] */
  async *warmUp(): AsyncGenerator<ScoreEvent, { head: Float32Array; warmUp: HeadScores['warmUp'] }> {
    const program = new Program(this.tf, this.parts, this.initial);
    try {
      const hidden = yield* this.frozen(program);
      try {
        return yield* this.trainHead(program, hidden);
      } finally {
        hidden.close();
      }
    } finally {
      program.close();
    }
  }

  private async *frozen(program: Program): AsyncGenerator<ScoreEvent, HiddenRows> {
    const { checkpoint, embeddings } = this;
    const { encoded } = this.rows;
    const meter = new StageMeter('prefix', encoded.length, 'rows');
    // The file is unlinked when it is made.
    const file = path.join(os.tmpdir(), `hifi-score-${randomUUID()}.f32`);
    yield meter.at(0);
    const running = hiddenRows({ program, checkpoint, embeddings }, encoded, file);
    try {
      for (;;) {
        const { done, value } = await running.next();
        if (done) return value;
        yield meter.at(value);
        await this.breathe();
      }
    } finally {
      await running.return(undefined as never);
    }
  }

  private async *trainHead(
    program: Program,
    hidden: HiddenRows,
  ): AsyncGenerator<ScoreEvent, { head: Float32Array; warmUp: HeadScores['warmUp'] }> {
    const { seed } = this;
    const { leastSteps, batchSize } = WARM_UP;
    const n = this.rows.encoded.length;
    const stepsPerEpoch = Math.ceil(n / batchSize);
    const epochs = Math.max(WARM_UP.epochs, Math.ceil(leastSteps / stepsPerEpoch));
    const steps = epochs * stepsPerEpoch;
    const training = new Training(program, { ...WARM_UP, steps, seed });
    const meter = new StageMeter('warm-up', steps, 'steps');
    const losses: number[] = []; // the mean of each epoch
    let step = 0;
    for (let epoch = 0; epoch < epochs; epoch++) {
      let sum = 0;
      for (const batch of likeLengthBatches(lengthsOf(this.rows.encoded), { batchSize, seed, epoch })) {
        const loss = training.step(hidden.read(batch), this.targets(batch), step++);
        sum += loss * batch.length;
        yield* meter.due(step, { loss });
        await this.breathe();
      }
      losses.push(sum / n);
    }
    const warmUp = { epochs, steps, lr: WARM_UP.lr, firstLoss: losses[0], lastLoss: losses[epochs - 1] };
    return { head: program.read().parameters, warmUp };
  }

  /** The mean of each head's |∂loss/∂gate|, and its standard error. */
  async *score(head: Float32Array): AsyncGenerator<ScoreEvent, Pick<HeadScores, 'scores' | 'scoresStderr'>> {
    const { checkpoint, embeddings } = this;
    const { encoded } = this.rows;
    const { layers, heads } = checkpoint.config;
    const n = encoded.length;
    const zeros = () => Array.from({ length: layers }, () => new Float64Array(heads));
    const [sums, squares] = [zeros(), zeros()];
    const meter = new StageMeter('score', n, 'sequences');
    const gradients = new GateGradients(this.tf, this.parts);
    try {
      let done = 0;
      yield meter.at(done);
      for (const batch of evaluationBatches(lengthsOf(encoded), BATCH_ROWS)) {
        const hidden = embedRows({ checkpoint, embeddings }, pick(encoded, batch));
        gradients.at(head, hidden, this.targets(batch)).forEach((values, layer) => {
          values.forEach((value, i) => {
            if (!Number.isFinite(value)) throw failed(`the gradient of layer ${layer}, head ${i % heads} is ${value}`);
            sums[layer][i % heads] += Math.abs(value);
            squares[layer][i % heads] += value * value;
          });
        });
        done += batch.length;
        yield meter.at(done);
        await this.breathe();
      }
    } finally {
      gradients.close();
    }
    const deviation = (sum: number, square: number) =>
      n === 1 ? null : Math.sqrt(Math.max(0, square - (sum * sum) / n) / (n - 1) / n);
    return {
      scores: sums.map((layer) => Array.from(layer, (sum) => sum / n)),
      scoresStderr: sums.map((layer, l) => Array.from(layer, (sum, h) => deviation(sum, squares[l][h]))),
    };
  }

  private targets(batch: Int32Array): number[] {
    return Array.from(batch, (row) => this.rows.targets[row]);
  }

  /** Lets an abort in. */
  private async breathe(): Promise<void> {
    await new Promise(setImmediate);
    if (this.signal?.aborted) throw cancelled();
  }
}

const pick = (encoded: readonly Encoded[], rows: Int32Array) => Array.from(rows, (row) => encoded[row]);
