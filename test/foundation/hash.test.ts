import * as crypto from 'node:crypto';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { sha256IfThere, sha256OfFile } from '../../foundation/hash';

it('is that of a file longer than a read', async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-hash-'));
  const file = path.join(folder, 'file');
  const bytes = crypto.randomBytes(2_500_001);
  fs.writeFileSync(file, bytes);
  expect(await sha256OfFile(file)).toBe(crypto.createHash('sha256').update(bytes).digest('hex'));
  fs.rmSync(folder, { recursive: true });
});

it('is undefined for a file that another process has removed', async () => {
  const file = path.join(os.tmpdir(), crypto.randomUUID());
  expect(await sha256IfThere(file)).toBeUndefined();
  await expect(sha256OfFile(file)).rejects.toMatchObject({ code: 'INVALID_INPUT', message: `${file}: no such file` });
});
