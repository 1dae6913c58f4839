import { failed } from '../../foundation/errors';
import type { Artifact } from '../../foundation/stored-file';
import { resultText } from '../../job/files';
import type { Happening, JobRecord } from '../record';
import type { RecordPlace } from '../record-results';
import { type RegisterParts, registerDelta } from './register';

/** Result that names the registered version of a job's delta: `{ name, version }`. */
const REGISTERED = 'registered.json';

/**
 * Registers a job's delta. An attempt that repeats it gets the version of the first one.
 *
 * @returns changes of the job: its registered version, as an event too
 * @throws HifiError and RpcError as {@link registerDelta}
 */
export async function registerResult(
  name: string,
  { id, metrics }: JobRecord,
  place: RecordPlace,
  parts: RegisterParts,
  signal: AbortSignal,
): Promise<Happening[]> {
  const [info, tensors] = ['delta/delta.json', 'delta/delta.safetensors'].map((file) => madeBy(place, file).sha256);
  const heads = await place.stored('heads.json');
  const content = {
    files: { info, tensors },
    ...(metrics && { metric: { name: metrics.metric, value: metrics.best.value } }),
    ...(heads && { dataSha256: heads.data.sha256 }),
    jobId: id,
  };
  const { version } = (await registerDelta(parts, name, content, signal)).version;
  await place.writeText(REGISTERED, resultText({ name, version }));
  const [artifact] = place.take(REGISTERED);
  return [
    { kind: 'registered', reference: `${name}:${version}` },
    { kind: 'artifact', artifact },
  ];
}

function madeBy(place: RecordPlace, file: string): Artifact {
  const found = place.find(file);
  if (found) return found;
  throw failed(`the job has no ${file} to register`);
}
