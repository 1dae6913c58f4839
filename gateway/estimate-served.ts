import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Inputs, Opened } from '../artifacts/inputs';
import type { DataSource } from '../data/dataset';
import { estimate } from '../job/estimate';
import type { TextDataset } from '../proto/gen/hifi/v1/dataset_pb';
import type { EstimateJobResponseSchema } from '../proto/gen/hifi/v1/gateway_pb';
import { givenRowsOf } from '../wire/dataset';
import type { ServedSpec } from './job-spec';

/**
 * What a served job would come to, measured on the gateway's machine by engines of its own.
 *
 * @throws HifiError or RpcError as the job would for bad input; HifiError CANCELLED when `signal` aborts
 */
export async function estimateServed(
  spec: ServedSpec,
  inputs: Inputs,
  signal: AbortSignal,
): Promise<MessageInitShape<typeof EstimateJobResponseSchema>> {
  const opened: Opened<DataSource>[] = [];
  const open = async (field: string, rows: TextDataset) => {
    const each = await inputs.rows(givenRowsOf(rows, field), { field, labels: true }, signal);
    opened.push(each);
    return each.what;
  };
  try {
    const train = await open('spec.train', spec.train);
    const dev = spec.dev && (await open('spec.dev', spec.dev));
    const model = await inputs.model(spec.model, { signal });
    const events = estimate({ ...spec, model, train, dev }, signal);
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
    for (const each of opened) await each.release();
  }
}
