import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { HifiError } from '../../foundation/errors';
import { readModelConfig } from '../../model/config';

/* A folder with a config.json, for one test file. */
export const root = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-config-'));
afterAll(() => fs.rmSync(root, { recursive: true }));

/** Writes config.json. @returns its folder */
export const put = (text: string) => {
  fs.writeFileSync(path.join(root, 'config.json'), text);
  return root;
};

/** Message that refuses a folder's config.json. */
export function refusal(folder: string): string {
  try {
    readModelConfig(folder);
  } catch (error) {
    expect(error).toBeInstanceOf(HifiError);
    expect((error as HifiError).code).toBe('INVALID_INPUT');
    expect((error as HifiError).message).not.toContain('\n');
    return (error as HifiError).message;
  }
  throw new Error('was not refused');
}
