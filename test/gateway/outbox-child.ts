import { Outbox } from '../../gateway/outbox';
import { JobStore } from '../../gateway/store';
import { happening, newJob, silent } from './outbox-jobs';

// A gateway's part that the test of the outbox cuts: it takes a job in and has events published until it is killed.
async function main([folder, url, requestId]: string[]): Promise<void> {
  const store = new JobStore(folder, true);
  new Outbox(store, url, silent).start();
  const id = await newJob(store, requestId);
  for (let count = 0; ; count++) await store.note(id, happening(count));
}

void main(process.argv.slice(2));
