import * as crypto from 'node:crypto';
import { invalidInput } from '../../foundation/errors';
import { RpcError, status } from '../../proto/status';
import { ROLES, type Role, suffices } from './roles';

/** Token of a server, and what its bearer may do. */
export interface RoleToken {
  role: Role;
  token: string;
}

const LINE = `ROLE TOKEN with one of the roles ${ROLES.join(', ')}`;

/**
 * Parses the content of a token file: `ROLE TOKEN` or a token alone in each line. A token alone is
 * an admin's. Strips white space and the byte order mark, which editors and shells add.
 *
 * @param from name of the content in messages
 * @returns tokens in the order of the lines, at least one
 * @throws HifiError INVALID_INPUT with the number of the wrong line, without its token
 */
export function parseTokens(content: string, from: string): RoleToken[] {
  // `trim` also removes U+FEFF.
  const lines = content.split(/\r?\n/).map((line, i) => ({ text: line.trim(), number: i + 1 }));
  const given = lines.filter(({ text }) => text !== '');
  if (given.length === 0) throw invalidInput(`${from}: the token is empty`);
  const numbers = new Map<string, number>();
  return given.map(({ text, number }) => {
    const wrong = (what: string) => invalidInput(`${from}: line ${number} ${what}`);
    if (!/^[\x20-\x7e]+$/.test(text)) {
      throw wrong('has characters that no token may have; all must be printable ASCII');
    }
    const [first] = text.split(' ');
    const role = ROLES.find((name) => name === first);
    const token = role === undefined ? text : text.slice(role.length).trim();
    if (token === '') throw wrong(`has the role ${role} and no token; it must be ${LINE}`);
    // A single token may have spaces, as one without a role always could.
    if (role === undefined && text.includes(' ') && given.length > 1) {
      throw wrong(`begins with no role; it must be ${LINE}, or a token without spaces`);
    }
    const earlier = numbers.get(token);
    if (earlier !== undefined) throw wrong(`has the token of line ${earlier}; each line must have a token of its own`);
    numbers.set(token, number);
    return { role: role ?? 'admin', token };
  });
}

/** Token that a client takes of a file of several: the first of the strongest role. */
export const strongest = (tokens: readonly RoleToken[]): RoleToken =>
  tokens.reduce((best, each) => (suffices(best.role, each.role) ? best : each));

/**
 * Role of a call's token; undefined if it has none of the server's. Compares with all tokens, each
 * in constant time, so that timing reveals nothing.
 */
export function roleOf(authorization: unknown, tokens: readonly RoleToken[]): Role | undefined {
  const given = digestOf(typeof authorization === 'string' ? authorization.replace(/^Bearer /i, '') : '');
  let found: Role | undefined;
  for (const { role, token } of tokens) if (crypto.timingSafeEqual(given, digestOf(token))) found = role;
  return found;
}

const digestOf = (text: string) => crypto.createHash('sha256').update(text).digest();

/**
 * Error of a call whose token does not suffice; undefined if it does, or if the server has no
 * tokens.
 *
 * @param what call in the message
 * @param needed role that the call needs
 */
export function refusal(
  authorization: unknown,
  tokens: readonly RoleToken[] | undefined,
  what: string,
  needed: Role,
): RpcError | undefined {
  if (tokens === undefined) return undefined;
  const role = roleOf(authorization, tokens);
  if (role === undefined) {
    const message = 'the call has no valid token; its metadata must have authorization: Bearer TOKEN';
    return new RpcError(status.UNAUTHENTICATED, 'UNAUTHENTICATED', message);
  }
  if (suffices(role, needed)) return undefined;
  const message = `${what} needs a token of the role ${needed}; this one has the role ${role}`;
  return new RpcError(status.PERMISSION_DENIED, 'PERMISSION_DENIED', message);
}
