import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { invalidInput } from '../../foundation/errors';

const DEFAULT_ENDPOINT = 'https://huggingface.co';

/*
 * The environment variables of Hugging Face's own tools: a machine that is set up for them is set up for this.
 */

/**
 * The Hub, or the mirror that `HF_ENDPOINT` names, without a slash at its end.
 * @throws HifiError INVALID_INPUT where that is no http(s) URL
 */
export function hubEndpoint(): string {
  const endpoint = (process.env.HF_ENDPOINT || DEFAULT_ENDPOINT).replace(/\/+$/, '');
  if (!/^https?:$/.test(URL.canParse(endpoint) ? new URL(endpoint).protocol : '')) {
    throw invalidInput(`HF_ENDPOINT is "${endpoint}"; it must be an http or https URL, such as ${DEFAULT_ENDPOINT}`);
  }
  return endpoint;
}

/** The user's token: `HF_TOKEN`, else what Hugging Face's login wrote; undefined where there is none. */
export function hubToken(): string | undefined {
  const said = process.env.HF_TOKEN?.trim();
  if (said) return said;
  const file = process.env.HF_TOKEN_PATH || path.join(hubHome(), 'token');
  try {
    return fs.readFileSync(file, 'utf8').trim() || undefined;
  } catch {
    return undefined;
  }
}

/** Whether `HF_HUB_OFFLINE` forbids the network. */
export const hubOffline = () => /^(1|on|yes|true)$/i.test(process.env.HF_HUB_OFFLINE ?? '');

/** Where Hugging Face's Python tools keep models: read here, never written. */
export const pythonHubCache = () => process.env.HF_HUB_CACHE || path.join(hubHome(), 'hub');

function hubHome(): string {
  const { HF_HOME, XDG_CACHE_HOME } = process.env;
  return HF_HOME || path.join(XDG_CACHE_HOME || path.join(os.homedir(), '.cache'), 'huggingface');
}
