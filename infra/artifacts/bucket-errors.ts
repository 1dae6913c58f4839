import { cancelled, HifiError, invalidInput } from '../../foundation/errors';
import { RpcError, status } from '../../proto/status';

/** Retry delay for a client while the bucket is away, in seconds. */
const RETRY_SECONDS = 2;
const ARTIFACTS_AWAY = 'ARTIFACTS_AWAY';

/** Names of the answer "there is no such object". */
const MISSING: readonly string[] = ['NoSuchKey', 'NotFound'];

/** Name of an error → what is wrong with the bucket's settings, and what would be right. */
const SETTINGS: Readonly<Record<string, string>> = {
  NoSuchBucket: 'there is no such bucket: create it, or name another one',
  CredentialsProviderError:
    'no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the machine a role',
  InvalidAccessKeyId: 'the server does not know the access key: check AWS_ACCESS_KEY_ID',
  SignatureDoesNotMatch: 'the server refuses the signature: check AWS_SECRET_ACCESS_KEY',
  ExpiredToken: 'the session token has expired: renew AWS_SESSION_TOKEN and its keys',
  InvalidToken: 'the server refuses the session token: check AWS_SESSION_TOKEN',
  AccessDenied:
    'access denied: the credentials must allow to list the bucket, and to read, write and delete its objects',
  Forbidden: 'access denied: the credentials must allow to list the bucket, and to read, write and delete its objects',
  RequestTimeTooSkewed: "this machine's clock differs too much from the server's: correct it",
  PermanentRedirect: 'the bucket is in another region: set AWS_REGION to its region',
  AuthorizationHeaderMalformed: 'the bucket is in another region: set AWS_REGION to its region',
};

/**
 * Converts an error of the client library. The message names the bucket and no credentials.
 *
 * @param shown bucket and endpoint
 * @returns HifiError NOT_FOUND for a missing object, CANCELLED; RpcError UNAVAILABLE for everything
 *   else, which a later call may not meet; an error of this project as it is
 */
export function bucketError(thrown: unknown, shown: string): HifiError | RpcError {
  if (thrown instanceof HifiError || thrown instanceof RpcError) return thrown;
  const { name = 'Error', message = String(thrown) } = thrown as Partial<Error>;
  if (name === 'AbortError') return cancelled();
  if (MISSING.includes(name)) return new HifiError('NOT_FOUND', `no such object in ${shown}`, thrown);
  const why = wrongSetting(thrown) ?? (message === '' || message === 'UnknownError' ? name : message);
  return new RpcError(status.UNAVAILABLE, ARTIFACTS_AWAY, `${shown}: ${why}`, {
    retrySeconds: RETRY_SECONDS,
    cause: thrown,
  });
}

/**
 * Returns the error of a setting that is wrong, such as the bucket's name or the credentials;
 * undefined for an error that may pass.
 */
export function settingsError(thrown: unknown, shown: string): HifiError | undefined {
  const wrong = isAway(thrown) ? wrongSetting((thrown as RpcError).details.cause) : undefined;
  return wrong === undefined ? undefined : invalidInput(`${shown}: ${wrong}`, thrown);
}

export const isAway = (error: unknown) => error instanceof RpcError && error.reason === ARTIFACTS_AWAY;

function wrongSetting(thrown: unknown): string | undefined {
  const { name = '', message, Region } = thrown as Partial<Error> & { Region?: string };
  if (message === 'Region is missing') return 'no region: set AWS_REGION';
  const wrong = SETTINGS[name];
  return wrong && Region ? `${wrong}, ${Region}` : wrong;
}
