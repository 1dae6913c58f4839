import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ServedInputs } from '../artifacts/inputs';
import type { EstimateJobResponseSchema } from '../proto/gen/hifi/v1/gateway_pb';
import { estimate } from './estimate';
import type { ServedSpec } from './job-spec';

/**
 * What a served job would come to, measured on the gateway's machine by engines of its own.
 *
 * @throws HifiError or RpcError as the job would for bad input; HifiError CANCELLED when `signal` aborts
 */
export async function estimateServed(
  spec: ServedSpec,
  inputs: ServedInputs,
  signal: AbortSignal,
): Promise<MessageInitShape<typeof EstimateJobResponseSchema>> {
  const train = await inputs.rows('spec.train', spec.train, signal);
  const dev = spec.dev && (await inputs.rows('spec.dev', spec.dev, signal));
  try {
    const model = await inputs.model('spec.model', spec.model, signal);
    const events = estimate({ ...spec, model, train: train.source, dev: dev?.source }, signal);
    let step = await events.next();
    while (!step.done) step = await events.next();
    const { rows, deltaBytes, peakMemoryBytes, ...told } = step.value;
    return {
      ...told,
      deltaBytes: BigInt(deltaBytes),
      peakMemoryBytes: BigInt(peakMemoryBytes),
      trainRows: rows.train,
      devRows: rows.dev,
    };
  } finally {
    train.release();
    dev?.release();
  }
}
