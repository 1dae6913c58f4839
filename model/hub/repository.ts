import { HifiError, invalidInput } from '../../foundation/errors';
import { isCommit } from './cache';
import { type HubResponse, hubRequest, TemporaryError, withRetries } from './request';

/** Repository of the Hub at one revision, with the access to it. */
export interface HubSource {
  /** URL of {@link hubEndpoint}. */
  endpoint: string;
  token?: string;
  /** `owner/name`, or the name alone of an early model of the Hub. */
  repository: string;
  /** Branch, tag, pull request (`refs/pr/1`) or commit. */
  revision: string;
}

/** Commit of a repository. */
export interface HubCommit {
  /** Hash of the commit. */
  commit: string;
  /** Paths of its files. */
  files: string[];
}

/**
 * Requests the commit and files of a revision.
 * @throws HifiError INVALID_INPUT if the repository or revision does not exist or may not be read;
 *   FAILED, CANCELLED; TemporaryError if the Hub does not respond
 */
export async function repositoryAt(
  source: HubSource,
  { tries = 3, signal }: { tries?: number; signal?: AbortSignal } = {},
): Promise<HubCommit> {
  const { endpoint, repository, revision, token } = source;
  const url = `${endpoint}/api/models/${repository}/revision/${encodeURIComponent(revision)}`;
  const text = await withRetries(
    () =>
      hubRequest({ url, token, signal }, (response) => {
        if (response.status !== 200) throw refusal(source, response);
        return textOf(response);
      }),
    { tries, signal },
  );
  try {
    const { sha, siblings } = JSON.parse(text) as { sha: string; siblings: { rfilename: string }[] };
    if (isCommit(sha)) return { commit: sha, files: siblings.map(({ rfilename }) => rfilename) };
  } catch {
    // The error below says it.
  }
  throw new HifiError('FAILED', `${repository}: ${new URL(endpoint).host} does not respond as the Hub does`);
}

/** Converts an unsuccessful response to an error: its meaning for the user, and the remedy. */
export function refusal(
  { endpoint, repository, revision, token }: HubSource,
  { status, headers }: HubResponse,
  file = '',
) {
  const { host } = new URL(endpoint);
  const code = headers.get('x-error-code');
  const what = file === '' ? repository : `${repository}: ${file}`;
  if (status === 404 && (code === 'RevisionNotFound' || code === 'EntryNotFound' || file !== '')) {
    return invalidInput(`${what}: ${host} has no ${file === '' ? 'such revision' : 'such file at'} "${revision}"`);
  }
  if (code === 'GatedRepo' || status === 403) {
    const login = token ? 'use the token of a user who has access' : 'set HF_TOKEN to your token';
    return invalidInput(`${what}: access is restricted; request it at ${endpoint}/${repository}, then ${login}`);
  }
  // The Hub does not reveal to strangers which private repositories exist.
  if (status === 401 || status === 404) {
    const seen = token ? 'or the token has no access to it' : 'or it is private; to read it set HF_TOKEN';
    return invalidInput(`${what}: no such model at ${host}, ${seen}`);
  }
  return new HifiError('FAILED', `${what}: ${host} responded with status ${status}`);
}

async function textOf({ body }: HubResponse): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

/**
 * Converts a temporary error that did not pass to the error that users see. Returns any other error
 * unchanged.
 */
export const permanentError = (what: string, error: unknown) =>
  error instanceof TemporaryError ? new HifiError('FAILED', `${what}: ${error.message}`, error) : error;
