import * as fs from 'node:fs';
import * as path from 'node:path';
import { settleDevice } from '../../analyzer/device';

const engine = path.dirname(require.resolve('onnxruntime-node/package.json'));
const withCuda = fs
  .readdirSync(engine, { recursive: true, encoding: 'utf8' })
  .some((file) => file.endsWith('libonnxruntime_providers_cuda.so'));

describe('settleDevice', () => {
  it('takes the CPU where it is asked for', async () => {
    expect(await settleDevice('cpu')).toBe('cpu');
  });

  (withCuda ? it.skip : it)('without CUDA falls back on auto, and fails on cuda', async () => {
    expect(await settleDevice('auto')).toBe('cpu');
    await expect(settleDevice('cuda')).rejects.toMatchObject({
      code: 'FAILED',
      message: expect.stringMatching(/^device cuda does not work here: .*; use --device auto or cpu/),
    });
  });
});
