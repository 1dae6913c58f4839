import { RpcError } from '../proto/status';

/** Part of a job's spec that each field of a service's request comes from. */
export type SpecFields = Readonly<Record<string, string>>;

/** Parts of a job's spec by the fields of the analyzer's and the trainer's requests. */
export const SPEC_FIELDS = {
  analysis: { model: 'model', dataset: 'train', options: 'analysis' },
  training: {
    model: 'model',
    train: 'train',
    dev: 'dev',
    selection: 'selection',
    options: 'training',
    scoring: 'analysis',
  },
} satisfies Record<string, SpecFields>;

/**
 * Renames the fields of a service's error to those of the job's spec. Fields that come from no part
 * of the spec, such as a mask, stay.
 */
function ofSpec(thrown: unknown, fields: SpecFields): unknown {
  if (!(thrown instanceof RpcError) || !thrown.details.violations) return thrown;
  const violations = thrown.details.violations.map(({ field, description }) => ({
    field: field.replace(/^\w+/, (first) => (Object.hasOwn(fields, first) ? `spec.${fields[first]}` : first)),
    description,
  }));
  return new RpcError(thrown.code, thrown.reason, thrown.message, { ...thrown.details, violations });
}

/** Messages of a service and its result, with an error that names the fields of the job's spec. */
export async function* inSpec<Message, Result = unknown>(
  messages: AsyncIterable<Message, Result>,
  fields: SpecFields,
): AsyncGenerator<Message, Result> {
  try {
    return yield* messages;
  } catch (thrown) {
    throw ofSpec(thrown, fields);
  }
}
