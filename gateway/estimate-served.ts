import type { MessageInitShape } from '@bufbuild/protobuf';
import type { DataSource } from '../data/dataset';
import { follow } from '../foundation/follow';
import type { Inputs, Opened } from '../infra/artifacts/inputs';
import type { ProcessOptions } from '../infra/engine';
import { estimate } from '../job/estimate';
import { givenRowsOf } from '../proto/dataset';
import type { TextDataset } from '../proto/gen/hifi/v1/dataset_pb';
import type { EstimateJobResponseSchema } from '../proto/gen/hifi/v1/gateway_pb';
import type { ServedSpec } from './job-spec';

/**
 * Estimates a served job, measured on the gateway's machine by its own engines.
 *
 * @throws HifiError or RpcError, as for the job, for bad input; HifiError CANCELLED when `signal`
 *   aborts
 */
export async function estimateServed(
  spec: ServedSpec,
  inputs: Inputs,
  signal: AbortSignal,
  processes: ProcessOptions,
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
    const events = estimate({ ...spec, model, train, dev }, signal, processes);
    const { rows, deltaBytes, peakMemoryBytes, ...told } = await follow(events, () => {});
    return {
      ...told,
      deltaBytes: BigInt(deltaBytes),
      peakMemoryBytes: BigInt(peakMemoryBytes),
      trainRows: rows.train,
      devRows: rows.dev,
    };
  } finally {
    await Promise.all(opened.map((each) => each.release()));
  }
}
