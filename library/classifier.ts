import { LABELS } from '../data/labels';
import type { ProblemType } from '../data/problem';
import { invalidInput, invalidValue, shown } from '../foundation/errors';
import type { StageProgress } from '../foundation/progress';
import { ClassifyEngine } from '../inference/classify-engine';
import type { Classified, ClassifyRequest, HeadAnswers } from '../inference/classify-request';
import { modelFolder } from './model';
import type { ModelRequest } from './requests';
import { type Run, type RunOptions, runOf } from './run';
import { type TextRows, textsOf } from './text-rows';

/** Request of `Classifier.open`. */
export interface ClassifierRequest extends ModelRequest {
  /**
   * Folders of deltas on the base `model`. Default: none; `model` is then itself tuned, a merged
   * checkpoint or an exported ONNX folder.
   */
  deltas?: readonly string[];
}

/** Options of `Classifier.classify`. */
export interface ClassifyOptions extends RunOptions {
  /** Deltas that answer, some of those that the classifier was opened with. Default: all. */
  deltas?: readonly string[];
  /** Number of tokens to which a text is truncated. Default: that of a delta's training. */
  maxLength?: number;
}

/** Answers of one delta, or of a tuned model. */
export interface DeltaAnswers {
  /** Folder of the delta; absent for a tuned model. */
  delta?: string;
  /** Problem that it solves. */
  problem: ProblemType;
  /** Labels in the order of the class numbers, which the logits have; none for a number. // [C] */
  labelNames: readonly string[];
  /**
   * Probability from which each label of the problem `multi-label` counts as predicted, if the
   * training chose one; 0.5 each by default. // [C]
   */
  thresholds?: readonly number[];
  /** Answer for each text. */
  rows: Classified[];
}

/**
 * Model that stays warm in a child process. It classifies texts in milliseconds, with many deltas
 * on one base. Calls that arrive while it computes share the next batch. A text's logits do not
 * depend on the texts and deltas beside it.
 *
 * ```ts
 * const deltas = ['spam/delta', 'tone/delta'];
 * const classifier = await Classifier.open({ model: 'all-MiniLM-L6-v2', deltas });
 * const [spam, tone] = await classifier.classify(['Win a prize now!']);
 * console.log(spam.rows[0].labels[0]); // { label: 'spam', score: 0.98 }
 * await classifier.close();
 * ```
 */
export class Classifier {
  private constructor(
    private readonly engine: ClassifyEngine,
    private readonly model: string,
    private readonly deltas: readonly string[],
  ) {}

  /**
   * Loads a model and its deltas, and classifies a text with each, so that the first call is as
   * fast as later ones.
   *
   * Stages: `download` (a model by name, on first use).
   *
   * @param request base and deltas, or a tuned model
   * @param options cancellation
   * @returns the classifier, to be closed at the end
   * @throws HifiError INVALID_INPUT for a model or delta that cannot be used, or a delta of another
   *   base; CANCELLED by `signal`; ENGINE_LOST if the process was killed
   */
  static open(request: ClassifierRequest, options?: RunOptions): Run<StageProgress, Classifier> {
    return runOf(async function* (signal) {
      const { deltas = [] } = request;
      const model = yield* modelFolder(request.model, signal);
      const engine = new ClassifyEngine();
      try {
        const loaded = await engine.classify({ model, deltas, texts: [], seconds: [] }, signal);
        const pairs = loaded.some(({ labels }) => LABELS[labels.problem].pairs);
        await engine.classify({ model, deltas, texts: ['.'], ...(pairs && { seconds: ['.'] }) }, signal);
        return new Classifier(engine, model, deltas);
      } catch (error) {
        await engine.close();
        throw error;
      }
    }, options);
  }

  /**
   * Classifies texts with each delta.
   *
   * @param texts at least one text, or pairs of texts
   * @param options deltas, length and cancellation
   * @returns answers of each delta, in the order of the deltas; one without a delta for a tuned
   *   model
   * @throws HifiError INVALID_INPUT for texts or a delta that cannot be used; CANCELLED by
   *   `signal`; ENGINE_LOST if the process was killed, or if the classifier is closed
   */
  async classify(texts: TextRows['texts'], options: ClassifyOptions = {}): Promise<DeltaAnswers[]> {
    const { deltas = this.deltas, maxLength, signal } = options;
    const unknown = deltas.find((delta) => !this.deltas.includes(delta));
    if (unknown !== undefined) {
      throw invalidInput(`${unknown} is none of the classifier's deltas; it has ${this.deltas.join(', ') || 'none'}`);
    }
    if (maxLength !== undefined && !(Number.isInteger(maxLength) && maxLength >= 1)) {
      throw invalidValue({ field: 'maxLength', value: shown(maxLength), expected: 'a whole number from 1' });
    }
    const request: ClassifyRequest = {
      model: this.model,
      deltas,
      ...textsOf('texts', texts),
      ...(maxLength !== undefined && { maxLength }),
    };
    return (await this.engine.classify(request, signal)).map(({ labels, rows }, i) =>
      answersOf(labels, rows, deltas[i]),
    );
  }

  /** Ends the process, for good. Settles when it has ended. */
  close(): Promise<void> {
    return this.engine.close();
  }
}

const answersOf = (
  { problem, names, thresholds }: HeadAnswers['labels'],
  rows: Classified[],
  delta: string | undefined,
): DeltaAnswers => ({
  ...(delta !== undefined && { delta }),
  problem,
  labelNames: names,
  ...(thresholds && { thresholds }),
  rows,
});
