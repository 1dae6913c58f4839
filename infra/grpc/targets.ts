import * as net from 'node:net';
import { invalidValue, shown } from '../../foundation/errors';

/** Parts of a target of gRPC. */
export interface Target {
  /** Name or IP address; undefined for a Unix socket. */
  host: string | undefined;
  port: string;
}

/** Port of a target without one, as gRPC has it. */
const DEFAULT_PORT = '443';

/** `unix:PATH`, `HOST:PORT`, `dns:HOST:PORT` or `dns://SERVER/HOST:PORT`. */
const TARGET =
  /^(?:unix:.+|(?:dns:(?:\/\/[^/]*\/)?)?(?:\[(?<v6>[\da-fA-F:.]+)\]|(?<host>[^\s/:[\],]+))(?::(?<port>\d{1,5}))?)$/;

/** Parses a target; undefined if it is malformed. */
export function parseTarget(target: string): Target | undefined {
  const { v6, host = v6, port = DEFAULT_PORT } = TARGET.exec(target)?.groups ?? {};
  return TARGET.test(target) ? { host, port } : undefined;
}

/** Splits a list of targets at its commas. @returns undefined if one of them is malformed */
export function targetsOf(list: string): string[] | undefined {
  const targets = list.split(',').map((target) => target.trim());
  return targets.every((target) => parseTarget(target)) ? targets : undefined;
}

/** Returns true if a host must be looked up. */
export const isName = (host: string | undefined): host is string => host !== undefined && net.isIP(host) === 0;

/** Checks the address of a service. @throws HifiError INVALID_INPUT unless it is HOST:PORT */
export function hostPort(field: string, given: string, example: string): string {
  if (typeof given === 'string' && /^[^\s/]+:\d{1,5}$/.test(given)) return given;
  throw invalidValue({ field, value: shown(given), expected: `HOST:PORT, such as ${example}` });
}
