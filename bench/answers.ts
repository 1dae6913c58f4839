import { benchBesideTraining } from './answers/beside-training';
import { benchCurve, benchLatency } from './answers/latency';
import { benchManyDeltas } from './answers/many-deltas';
import { Served } from './answers/served';
import { benchThroughput } from './answers/throughput';

/** Measurements of the inference service, in the order of the table. */
export const ANSWERS = ['latency', 'curve', 'throughput', 'many', 'training'];

/** Measures an analyzer service's answers beside onnxruntime and PEFT, with random deltas. */
export async function benchAnswers(
  model: string,
  python: string,
  rounds: number,
  parts: readonly string[],
): Promise<void> {
  if (parts.some((part) => part !== 'training')) {
    const served = await Served.start(model, 'analyzer');
    try {
      if (parts.includes('latency')) await benchLatency(served, rounds);
      if (parts.includes('curve')) await benchCurve(served, rounds);
      if (parts.includes('throughput')) await benchThroughput(served, python, rounds);
      if (parts.includes('many')) await benchManyDeltas(served, python, rounds);
    } finally {
      await served.stop();
    }
  }
  if (parts.includes('training')) await benchBesideTraining(model);
}
