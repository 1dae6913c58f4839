import { Dropout, dropoutKey } from '../../trainer/dropout';
import { Encoder } from '../../trainer/encoder';
import { targetValues } from '../../trainer/loss';
import { assembleNetwork, differentiate, logitsOf } from '../../trainer/network';
import { Ops } from '../../trainer/ops';
import type { HiddenBatch, ProgramParts } from '../../trainer/program';
import { Session, type TensorFlow } from '../../trainer/session';
import { taskHeadNames } from '../../trainer/task-head';

/** The way forward and back of `Program`'s step, fetched by itself. */
export function gradientProgram(tf: TensorFlow, { checkpoint, mask, layout, outputs, problem }: ProgramParts) {
  const ops = new Ops();
  const { config } = checkpoint;
  const parameters = ops.input('parameters', 'float32', [layout.size]);
  const hidden = ops.input('hidden', 'float32', [null, config.hiddenSize]);
  const padding = ops.input('mask', 'float32', [null, 1, 1, null]);
  const targets = ops.input('targets', 'float32', [null, outputs]);
  const key = ops.input('key', 'int32', [1]);
  const encoder = new Encoder(ops, checkpoint, mask);
  const network = assembleNetwork(config, encoder, taskHeadNames(config), layout.split(ops, parameters));
  const evaluated = logitsOf(ops, network, hidden, padding);
  const result = differentiate(ops, network, hidden, padding, targets, problem, new Dropout(key));
  const fetches = [result.loss, result.logits, evaluated, layout.join(ops, result.gradients)];
  const session = new Session(tf, ops);
  return {
    /** At one point: the loss, the logits in training and in evaluation, the gradient by all trained numbers. */
    at(values: Float32Array, { B, S, ...batch }: HiddenBatch, wanted: number[], seed = 0, step = 0) {
      const held = session.run(
        [
          [parameters, { values, shape: [layout.size] }],
          [hidden, { values: batch.hidden, shape: [B * S, config.hiddenSize] }],
          [padding, { values: batch.mask, shape: [B, 1, 1, S] }],
          [targets, { values: targetValues(wanted, outputs, problem), shape: [B, outputs] }],
          [key, { values: dropoutKey(seed, step), shape: [1] }],
        ],
        fetches,
      );
      const [loss, logits, evaluation, gradient] = held.map((tensor) => tensor.dataSync() as Float32Array);
      for (const tensor of held) tensor.dispose();
      return { loss: loss[0], logits, evaluated: evaluation, gradient };
    },
    /** What is trained, by name. */
    trained: [...result.gradients.keys()],
    close: () => session.close(),
  };
}
