import { LmdbStore } from '../../gateway/lmdb-store';
import { Outbox } from '../../gateway/outbox';
import { happening, newJob, silent } from './outbox-jobs';

// Part of a gateway that the test of the outbox kills: it creates a job and publishes events.
async function main([folder, url, requestId]: string[]): Promise<void> {
  const store = new LmdbStore(folder, true);
  new Outbox(store, url, silent).start();
  const id = await newJob(store, requestId);
  for (let count = 0; ; count++) await store.note(id, happening(count));
}

void main(process.argv.slice(2));
