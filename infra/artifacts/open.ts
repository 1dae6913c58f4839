import * as path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Backoff, type Pauses } from '../../foundation/backoff';
import type { Logger } from '../log';
import type { ServeSettings } from '../service/settings';
import { type BucketAddress, bucketAddress } from './bucket-address';
import { isAway } from './bucket-errors';
import { FolderObjects } from './folder-objects';
import { FolderArtifacts } from './folder-store';
import { RunStore } from './run-store';
import { SharedArtifacts } from './shared-artifacts';
import type { ArtifactStore } from './store';

/** Pauses between two attempts at a bucket that does not answer, in milliseconds. */
const PAUSES: Pauses = { first: 250, longest: 30_000 };

/** Artifacts of a service. */
export interface OpenedArtifacts {
  store: ArtifactStore;
  /** Folder of downloads from the store. */
  cache?: FolderArtifacts;
  /** Files of trainings that any trainer may resume; undefined if no other trainer reaches them. */
  runs?: RunStore;
}

/**
 * Opens the artifacts: in S3, in a folder that services share, or in the state directory. Waits for
 * a bucket that does not answer.
 *
 * @throws HifiError INVALID_INPUT for a bucket that cannot be used: its name, credentials, region
 *   or permissions
 */
export async function openArtifacts(
  { stateDir, artifacts }: Pick<ServeSettings, 'stateDir' | 'artifacts'>,
  log: Logger,
): Promise<OpenedArtifacts> {
  if (artifacts === undefined) return { store: new FolderArtifacts(path.join(stateDir, 'artifacts')) };
  const cache = new FolderArtifacts(path.join(stateDir, 'artifact-cache'));
  const address = bucketAddress(artifacts);
  if (address === undefined) {
    return { store: new FolderArtifacts(artifacts), cache, runs: new RunStore(new FolderObjects(artifacts), cache) };
  }
  const bucket = await openBucket(address, log);
  return { store: new SharedArtifacts(bucket, cache), cache, runs: new RunStore(bucket, cache) };
}

async function openBucket(address: BucketAddress, log: Logger) {
  // The client library takes time to load, and only this needs it.
  const { Bucket } = require('./bucket') as typeof import('./bucket');
  const bucket = new Bucket(address);
  const backoff = new Backoff(PAUSES);
  for (;;) {
    try {
      await bucket.check();
      return bucket;
    } catch (error) {
      if (!isAway(error)) throw error;
      const pause = backoff.next();
      log.warn({ err: error }, `the artifacts are away: the next attempt is in ${pause / 1000} s`);
      await delay(pause);
    }
  }
}
