import type { EvaluateRequest } from '../delta/inference-options';
import type { TrainRequest } from '../delta/training-options';

/** Rows on which a training evaluates its epochs: the dev rows, or the hold-out split. */
export function devRows({ train, dev, options }: Pick<TrainRequest, 'train' | 'dev' | 'options'>) {
  const { batchSize, maxLength, longTexts, stride, device, threads, seed } = options;
  return {
    data: dev ?? train,
    ...(dev === undefined && { heldOutBy: seed }),
    options: { batchSize, maxLength, longTexts, stride, device, ...(threads !== undefined && { threads }) },
  } satisfies Pick<EvaluateRequest, 'data' | 'heldOutBy' | 'options'>;
}
