import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { hasCudaLibrary, selectDevice } from '../../model/onnx-device';

const engine = path.dirname(require.resolve('onnxruntime-node/package.json'));
const withCuda = fs
  .readdirSync(engine, { recursive: true, encoding: 'utf8' })
  .some((file) => file.endsWith('libonnxruntime_providers_cuda.so'));

describe('selectDevice', () => {
  it('selects the CPU on request', async () => {
    expect(await selectDevice('cpu')).toBe('cpu');
  });

  (withCuda ? it.skip : it)('without CUDA, auto falls back to the CPU and cuda fails', async () => {
    expect(await selectDevice('auto')).toBe('cpu');
    await expect(selectDevice('cuda')).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message:
        'device cuda does not work here: onnxruntime-node lacks libonnxruntime_providers_cuda.so: ' +
        'ONNXRUNTIME_NODE_INSTALL_CUDA=v12 node node_modules/onnxruntime-node/script/install.js fetches it; or use --device auto or cpu',
    });
  });
});

it('finds the CUDA library at the place of the package’s installer', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-device-'));
  const place = path.join(folder, 'bin/napi-v6/linux/x64');
  fs.mkdirSync(place, { recursive: true });
  fs.writeFileSync(path.join(place, 'libonnxruntime.so.1'), '');
  expect(hasCudaLibrary(folder)).toBe(false);
  fs.writeFileSync(path.join(place, 'libonnxruntime_providers_cuda.so'), '');
  expect(hasCudaLibrary(folder)).toBe(true);
  fs.rmSync(folder, { recursive: true });
});
