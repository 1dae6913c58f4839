import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { invalidInput } from '../../foundation/errors';

const DEFAULT_ENDPOINT = 'https://huggingface.co';

/*
 * Settings from the environment variables of Hugging Face's own tools.
 */

/**
 * URL of the Hub, or of the mirror in `HF_ENDPOINT`, without a slash at its end.
 * @throws HifiError INVALID_INPUT if it is no http(s) URL
 */
export function hubEndpoint(): string {
  const endpoint = (process.env.HF_ENDPOINT || DEFAULT_ENDPOINT).replace(/\/+$/, '');
  if (!/^https?:$/.test(URL.canParse(endpoint) ? new URL(endpoint).protocol : '')) {
    throw invalidInput(`HF_ENDPOINT is "${endpoint}"; it must be an http or https URL, such as ${DEFAULT_ENDPOINT}`);
  }
  return endpoint;
}

/**
 * Token of the user: `HF_TOKEN`, else the one that Hugging Face's login stored; undefined if there
 * is none.
 */
export function hubToken(): string | undefined {
  const token = process.env.HF_TOKEN?.trim();
  if (token) return token;
  const file = process.env.HF_TOKEN_PATH || path.join(hubHome(), 'token');
  try {
    return fs.readFileSync(file, 'utf8').trim() || undefined;
  } catch {
    return undefined;
  }
}

/** Returns true if `HF_HUB_OFFLINE` forbids the network. */
export const hubOffline = () => /^(1|on|yes|true)$/i.test(process.env.HF_HUB_OFFLINE ?? '');

/** Model cache of Hugging Face's Python tools. It is read here, never written. */
export const pythonHubCache = () => process.env.HF_HUB_CACHE || path.join(hubHome(), 'hub');

function hubHome(): string {
  const { HF_HOME, XDG_CACHE_HOME } = process.env;
  return HF_HOME || path.join(XDG_CACHE_HOME || path.join(os.homedir(), '.cache'), 'huggingface');
}
