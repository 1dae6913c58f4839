import { failed, type HifiError } from '../foundation/errors';

/** System error code → reason that an address cannot be bound, and the remedy. */
const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program serves there: give another port',
  EADDRNOTAVAIL: 'it is no address of this machine: give one that is, such as 127.0.0.1',
  EACCES: 'this user may not: give a port from 1024 on',
  ENOTFOUND: 'there is no such host',
};

/**
 * Creates the FAILED error for an address that could not be bound: `127.0.0.1:7070 cannot be served
 * on: another program serves there: …`.
 */
export function addressError(address: string, cause: Error): HifiError {
  const code = Object.keys(REASONS).find((each) => cause.message.includes(each));
  return failed(`${address} cannot be served on: ${code ? REASONS[code] : cause.message}`, cause);
}
