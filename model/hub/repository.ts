import { HifiError, invalidInput } from '../../foundation/errors';
import { isCommit } from './cache';
import { type HubAnswer, hubRequest, PassingError, persistently } from './request';

/** A repository of the Hub at one revision, and how to ask for it. */
export interface HubSource {
  /** See `hubEndpoint`. */
  endpoint: string;
  token?: string;
  /** `owner/name`, or the bare name of a model from the Hub's first days. */
  repository: string;
  /** A branch, a tag, a pull request (`refs/pr/1`) or a commit. */
  revision: string;
}

export interface HubCommit {
  /** The commit's hash. */
  commit: string;
  /** Paths of its files. */
  files: string[];
}

/**
 * What the Hub has under a revision.
 * @throws HifiError INVALID_INPUT where there is no such repository or revision, or it may not be seen; FAILED, CANCELLED;
 *   PassingError where the Hub does not answer
 */
export async function repositoryAt(
  source: HubSource,
  { tries = 3, signal }: { tries?: number; signal?: AbortSignal } = {},
): Promise<HubCommit> {
  const { endpoint, repository, revision, token } = source;
  const url = `${endpoint}/api/models/${repository}/revision/${encodeURIComponent(revision)}`;
  const text = await persistently(
    () =>
      hubRequest({ url, token, signal }, (answer) => {
        if (answer.status !== 200) throw refusal(source, answer);
        return textOf(answer);
      }),
    { tries, signal },
  );
  try {
    const { sha, siblings } = JSON.parse(text) as { sha: string; siblings: { rfilename: string }[] };
    if (isCommit(sha)) return { commit: sha, files: siblings.map(({ rfilename }) => rfilename) };
  } catch {
    // Said below.
  }
  throw new HifiError('FAILED', `${repository}: ${new URL(endpoint).host} does not answer as the Hub does`);
}

/** The error for an answer that is none: what it means for the user, and what to do. */
export function refusal(
  { endpoint, repository, revision, token }: HubSource,
  { status, headers }: HubAnswer,
  file = '',
) {
  const { host } = new URL(endpoint);
  const code = headers.get('x-error-code');
  const what = file === '' ? repository : `${repository}: ${file}`;
  if (status === 404 && (code === 'RevisionNotFound' || code === 'EntryNotFound' || file !== '')) {
    return invalidInput(`${what}: ${host} has no ${file === '' ? 'such revision' : 'such file at'} "${revision}"`);
  }
  if (code === 'GatedRepo' || status === 403) {
    const login = token ? 'the token must be of a user who was let in' : 'set HF_TOKEN to a token of yours';
    return invalidInput(`${what}: access is restricted; ask for it at ${endpoint}/${repository}, then ${login}`);
  }
  // The Hub does not tell strangers which private repositories there are.
  if (status === 401 || status === 404) {
    const seen = token ? 'or none that the token may see' : 'or it is private: then set HF_TOKEN';
    return invalidInput(`${what}: no such model at ${host}, ${seen}`);
  }
  return new HifiError('FAILED', `${what}: ${host} answered ${status}`);
}

async function textOf({ body }: HubAnswer): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

/** A failure that did not pass, as the error that users see; any other as it is. */
export const lasting = (what: string, error: unknown) =>
  error instanceof PassingError ? new HifiError('FAILED', `${what}: ${error.message}`, error) : error;
