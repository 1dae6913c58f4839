import * as fs from 'node:fs';
import { type Authenticator, credsAuthenticator, nkeyAuthenticator, nkeys } from '@nats-io/transport-node';
import { invalidInput } from '../foundation/errors';
import { otherKind } from '../foundation/regular-file';

/** Largest credentials file that is read, in bytes; a JWT with its seed has one or two thousand. */
const MAX_BYTES = 1 << 20;

const JWT = /^eyJ[\w-]+\.[\w-]+\.[\w-]+$/;
/** Nkey seed: `S`, its kind (`U` for a user), and the key in base 32. */
const SEED = /^S[A-Z][A-Z2-7]{20,}$/;
/** Delimiter lines of a block in a credentials file. */
const FRAME = /^-{3,}.*-{3,}$/;

/**
 * Reads the file that NATS_CREDS names: a credentials file (a user's JWT and seed, as `nsc` writes
 * it) or a user's bare nkey seed.
 *
 * @throws HifiError INVALID_INPUT, which shows no part of a key
 */
export function natsAuthenticator(file: string): Authenticator {
  const refuse = (why: string, cause?: unknown) => invalidInput(`NATS_CREDS is ${file}: ${why}`, cause);
  const bytes = read(file, refuse);
  const lines = bytes
    .toString()
    .split('\n')
    .map((line) => line.trim());
  const hasJwt = lines.some((line) => JWT.test(line));
  const seed = lines.find((line) => SEED.test(line));
  if (seed === undefined) {
    const holds = hasJwt ? 'a JWT without its seed' : 'neither a JWT nor a seed';
    throw refuse(`it holds ${holds}; ${WANTED}`);
  }
  if (!seed.startsWith('SU')) throw refuse(`its seed begins with ${seed.slice(0, 2)} and is no user's; ${WANTED}`);
  const key = Buffer.from(seed);
  try {
    nkeys.fromSeed(key);
  } catch (error) {
    throw refuse('its seed is damaged: the checksum does not match', error);
  }
  if (!hasJwt) return nkeyAuthenticator(key);
  // The library finds the two only by their delimiter lines.
  if (lines.filter((line) => FRAME.test(line)).length < 4) {
    throw refuse(`its JWT and seed are not within lines of dashes; ${WANTED}`);
  }
  return credsAuthenticator(bytes);
}

const WANTED = "it must be a credentials file of a user (JWT and seed, as nsc writes it) or a user's nkey seed (SU…)";

function read(file: string, refuse: (why: string, cause?: unknown) => Error): Buffer {
  try {
    // Opening a FIFO would wait for its writer.
    const stat = fs.statSync(file);
    const kind = otherKind(stat);
    if (kind !== undefined) throw refuse(`it is ${kind}; it must be a regular file`);
    if (stat.size > MAX_BYTES) throw refuse(`it has ${stat.size} bytes; ${WANTED}`);
    return fs.readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    throw refuse(`it cannot be read: ${(error as Error).message}`, error);
  }
}
