import * as fs from 'node:fs';
import * as path from 'node:path';
import { failed } from '../foundation/errors';
import { sha256OfFile } from '../foundation/hash';
import { isStaged } from '../foundation/output-path';
import type { Artifact } from '../foundation/stored-file';
import { WholeFile } from '../foundation/whole-file';
import { publishFolderWhen } from '../foundation/whole-folder';
import { downloadBytes } from '../infra/artifacts/transfer';
import type { GrpcClient } from '../infra/grpc/client';
import { JOB_RESULTS } from '../job/own-folders';
import { artifactOf } from '../proto/artifact';
import { ArtifactService } from '../proto/gen/hifi/v1/artifact_pb';
import type { Session } from './session';

/**
 * Downloads files of a job, each checked by its hash. A folder of results appears whole or not at
 * all, without files of an earlier one, and so does each file beside them. What is there already is
 * not downloaded again.
 *
 * @param wanted selects files by name; default: all
 * @returns their names
 * @throws HifiError INVALID_INPUT if a folder holds files that hifi does not write; FAILED for a
 *   file that does not arrive as it was stored
 */
export async function download(
  gateway: GrpcClient,
  jobId: string,
  out: string,
  { signal, progress }: Session,
  wanted: (name: string) => boolean = () => true,
): Promise<string[]> {
  const all = (await artifactsOf(gateway, jobId)).filter(({ name }) => wanted(name));
  const total = all.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  let done = 0;
  const take = async ({ name, sha256, sizeBytes }: Artifact, file: string) => {
    const there = below(out, name);
    if (!(await hasHash(there, sha256))) await fetchFile(gateway, sha256, file, signal);
    else if (file !== there) copy(there, file);
    done += sizeBytes;
    progress.at({ stage: 'download', done, total: Math.max(1, total), unit: 'bytes' });
  };
  for (const [folder, files] of byFolder(all)) {
    if (folder === undefined || (await isWhole(out, folder, files))) {
      for (const file of files) await take(file, below(out, file.name));
      continue;
    }
    const fill = async (staged: string) => {
      for (const file of files) await take(file, below(staged, path.relative(folder, file.name)));
    };
    await publishFolderWhen(path.join(out, folder), fill, JOB_RESULTS.folders[folder]);
  }
  return all.map(({ name }) => name);
}

async function artifactsOf(gateway: GrpcClient, jobId: string): Promise<Artifact[]> {
  const all: Artifact[] = [];
  let pageToken = '';
  do {
    const page = await gateway.unary(ArtifactService.method.listArtifacts, { jobId, pageToken, pageSize: 1000 });
    all.push(...page.artifacts.map(artifactOf));
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  return all;
}

/** Files by the folder of results to which they belong; undefined for others. */
function byFolder(files: readonly Artifact[]): Map<string | undefined, Artifact[]> {
  const found = new Map<string | undefined, Artifact[]>();
  for (const file of files) {
    const [first] = file.name.split('/');
    const folder = first !== file.name && Object.hasOwn(JOB_RESULTS.folders, first) ? first : undefined;
    found.set(folder, [...(found.get(folder) ?? []), file]);
  }
  return found;
}

/** Returns true if a folder below `out` has these files and no others. */
async function isWhole(out: string, folder: string, files: readonly Artifact[]): Promise<boolean> {
  const at = path.join(out, folder);
  if (!fs.existsSync(at)) return false;
  const there = fs
    .readdirSync(at, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory() && !isStaged(entry.name));
  if (there.length !== files.length) return false;
  for (const { name, sha256 } of files) if (!(await hasHash(below(out, name), sha256))) return false;
  return true;
}

const hasHash = async (file: string, sha256: string) => fs.existsSync(file) && (await sha256OfFile(file)) === sha256;

/** @throws HifiError FAILED for a name that leads out of the folder */
function below(folder: string, name: string): string {
  const file = path.resolve(folder, name);
  if (!file.startsWith(`${path.resolve(folder)}${path.sep}`)) throw failed(`the gateway names a result ${name}`);
  return file;
}

function copy(from: string, to: string): void {
  fs.mkdirSync(path.dirname(to), { recursive: true });
  fs.copyFileSync(from, to);
}

async function fetchFile(gateway: GrpcClient, sha256: string, file: string, signal: AbortSignal): Promise<void> {
  const whole = new WholeFile(file);
  try {
    for await (const chunk of downloadBytes(gateway, sha256, 0, signal)) whole.writeBytes(chunk);
    const found = await sha256OfFile(whole.written());
    if (found !== sha256) throw failed(`${path.basename(file)} arrived with SHA-256 ${found}; it must be ${sha256}`);
    whole.commit();
  } finally {
    whole.abandon();
  }
}
