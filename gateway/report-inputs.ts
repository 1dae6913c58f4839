import * as path from 'node:path';
import type { DataSource } from '../data/dataset';
import { inlineLayout } from '../infra/artifacts/inline-rows';
import type { JobSpec } from '../job/job';
import { givenRowsOf } from '../proto/dataset';
import type { TextDataset } from '../proto/gen/hifi/v1/dataset_pb';
import type { Asked } from '../report/parts';

/** File name of inline rows in the report's command line. */
const INLINE = 'ROWS.jsonl';

/**
 * A job's model and rows as its report states them, for a user who repeats the job elsewhere. Names
 * are as the client wrote them; an absolute path of the server is shortened to its last part.
 */
export function reportInputs({ model, train, dev }: Pick<JobSpec<TextDataset>, 'model' | 'train' | 'dev'>): Asked {
  const rows = rowsOf(train, 'train');
  return { model: shared(model), rows, ...(dev && { dev: rowsOf(dev, 'dev') }) };
}

function rowsOf(message: TextDataset, field: string): DataSource {
  const { source, ...columns } = givenRowsOf(message, field);
  if (source.kind === 'inline') {
    const { format: _, ...layout } = inlineLayout(source, columns);
    return { path: INLINE, ...layout };
  }
  return { path: source.kind === 'path' ? shared(source.path) : source.name, ...columns };
}

const shared = (name: string) => (path.isAbsolute(name) ? path.basename(name) : name);
