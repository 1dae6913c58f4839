import * as path from 'node:path';
import type { DataSource } from '../data/dataset';
import { inlineLayout } from '../infra/artifacts/inline-rows';
import type { JobSpec } from '../job/job';
import { givenRowsOf } from '../proto/dataset';
import type { TextDataset } from '../proto/gen/hifi/v1/dataset_pb';
import type { Asked } from '../report/parts';

/** What a command that repeats a job calls rows that came in the request. */
const INLINE = 'ROWS.jsonl';

/**
 * What a client asked for, as its report tells it to whoever repeats the job elsewhere: names as the client wrote them, and of a path
 * that begins at the server's root the last part alone.
 */
export function askedOf({ model, train, dev }: Pick<JobSpec<TextDataset>, 'model' | 'train' | 'dev'>): Asked {
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
