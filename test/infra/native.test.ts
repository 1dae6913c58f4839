import { execFileSync } from 'node:child_process';
import * as crypto from 'node:crypto';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { bindingFile, findPackage, linkBinding } from '../../infra/binding';
import { CPU_WHEEL, libtensorflow } from '../../infra/libtensorflow';
import { setUp, setUpPackage } from '../../infra/native';
import { findTools, requireTools } from '../../infra/tools';

const root = path.join(__dirname, '../..');
const before = { ...process.env };
let folder: string;

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-native-'));
});

afterEach(() => {
  for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
  Object.assign(process.env, before);
  fs.rmSync(folder, { recursive: true });
});

describe('set-up', () => {
  it('does nothing and logs nothing if everything is set up', async () => {
    const log = jest.fn();
    const onProgress = jest.fn();
    await setUp({ log, onProgress });
    expect(log).not.toHaveBeenCalled();
    expect(onProgress).not.toHaveBeenCalled();
  });

  it('with --gpu names the missing package', async () => {
    await expect(setUp({ gpu: true })).rejects.toMatchObject({
      code: 'FAILED',
      message: expect.stringMatching(/npm install .*@tensorflow\/tfjs-node-gpu@4\.22\.0/),
    });
  });

  it.each(['fetching libtensorflow', 'trying the installer'])(
    'that is cancelled while %s tries nothing else and leaves no files',
    async (step) => {
      const own = path.join(folder, 'node_modules/@tensorflow/tfjs-node');
      fs.mkdirSync(path.join(own, 'scripts'), { recursive: true });
      fs.writeFileSync(path.join(own, 'scripts/install.js'), 'setInterval(() => {}, 1000);');
      // Stand-ins for pip: one waits forever, one finds nothing.
      const bin = path.join(folder, 'bin');
      fs.mkdirSync(bin);
      const pip = step === 'fetching libtensorflow' ? 'exec sleep 1000' : 'exit 1';
      fs.writeFileSync(
        path.join(bin, 'python3'),
        `#!/bin/sh\ncase "$*" in *download*) ${pip};; *) echo Python 3;; esac\n`,
        { mode: 0o755 },
      );
      Object.assign(process.env, {
        XDG_CACHE_HOME: path.join(folder, 'cache'),
        PATH: `${bin}${path.delimiter}${process.env.PATH}`,
      });
      const controller = new AbortController();
      const log: string[] = [];
      const report = (line: string) => {
        log.push(line);
        if (line.includes(step)) setTimeout(() => controller.abort(), 200);
      };
      const tfjs = { name: '@tensorflow/tfjs-node', folder: own, version: '4.22.0' };
      await expect(setUpPackage(tfjs, CPU_WHEEL, report, undefined, controller.signal)).rejects.toMatchObject({
        code: 'CANCELLED',
      });
      expect(log.at(-1)).toContain(step);
      expect(fs.readdirSync(path.join(folder, 'cache/hifi/native'))).toEqual([]);
    },
  );

  it('that was cancelled before its start does nothing', async () => {
    await expect(setUp({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('fails with one line if neither the wheel nor the package’s own download is available', async () => {
    // Copy of the installed package in its own folder; no index, an empty cache, a download that
    // fails.
    const real = findPackage('@tensorflow/tfjs-node');
    const own = path.join(folder, 'node_modules/@tensorflow/tfjs-node');
    fs.mkdirSync(own, { recursive: true });
    for (const part of ['package.json', 'scripts']) {
      fs.cpSync(path.join(real?.folder ?? '', part), path.join(own, part), { recursive: true });
    }
    Object.assign(process.env, {
      XDG_CACHE_HOME: path.join(folder, 'cache'),
      PIP_NO_INDEX: '1',
      PIP_FIND_LINKS: folder,
      PIP_CONFIG_FILE: '/dev/null',
      NODE_PATH: path.join(root, 'node_modules'),
      TFJS_NODE_BASE_URI: 'http://127.0.0.1:1/',
      HTTP_PROXY: '',
      http_proxy: '',
      HTTPS_PROXY: '',
      https_proxy: '',
    });
    const log: string[] = [];
    const tfjs = { name: '@tensorflow/tfjs-node', folder: own, version: '4.22.0' };
    const error = await setUpPackage(tfjs, CPU_WHEEL, (line) => log.push(line)).catch((thrown) => thrown);
    expect(error).toMatchObject({ name: 'HifiError', code: 'FAILED' });
    expect(error.message).toMatch(/pip could not download tensorflow-cpu 2\.18\.1: ERROR: Could not find a version/);
    expect(error.message).toMatch(/the installer of @tensorflow\/tfjs-node: .*ECONNREFUSED/);
    expect(error.message).toMatch(/PIP_FIND_LINKS/);
    expect(error.message).not.toMatch(/\n/);
    expect(log.at(-1)).toMatch(/trying the installer/);
    expect(fs.readdirSync(path.join(folder, 'cache/hifi/native'))).toEqual([]);
  });
});

/** Creates a small wheel that pip accepts as TensorFlow's. */
function makeWheel(): { file: string; sha256: string; bytes: number } {
  const name = 'tensorflow_cpu-2.18.1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl';
  const file = path.join(folder, name);
  const script = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED) as wheel:
    info = 'tensorflow_cpu-2.18.1.dist-info/'
    wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: tensorflow-cpu\\nVersion: 2.18.1\\n')
    wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: false\\nTag: cp311-cp311-manylinux_2_17_x86_64\\n')
    wheel.writestr(info + 'RECORD', '')
    wheel.writestr('tensorflow/libtensorflow_cc.so.2', 'C' * 3000000)
    wheel.writestr('tensorflow/libtensorflow_framework.so.2', 'framework')
    wheel.writestr('tensorflow/include/tensorflow/c/c_api.h', 'c')
    wheel.writestr('tensorflow/include/Eigen/Core', 'not needed')
    wheel.writestr('tensorflow/python/__init__.py', 'not needed')
`;
  execFileSync('python3', ['-c', script, file]);
  const bytes = fs.readFileSync(file);
  return { file, sha256: crypto.createHash('sha256').update(bytes).digest('hex'), bytes: bytes.length };
}

describe('libtensorflow', () => {
  beforeEach(() => {
    Object.assign(process.env, {
      XDG_CACHE_HOME: path.join(folder, 'cache'),
      PIP_NO_INDEX: '1',
      PIP_FIND_LINKS: folder,
      PIP_CONFIG_FILE: '/dev/null',
    });
  });

  it('is unpacked from the wheel: the libraries under the names that the build needs, and only the C headers', async () => {
    const { sha256, bytes } = makeWheel();
    const progress: number[] = [];
    const library = await libtensorflow(
      { ...CPU_WHEEL, sha256, bytes },
      () => {},
      ({ done, total }) => progress.push(done / total),
    );
    const files = fs.readdirSync(library, { recursive: true, encoding: 'utf8' }).sort();
    expect(files.filter((file) => !fs.statSync(path.join(library, file)).isDirectory())).toEqual([
      'include/tensorflow/c/c_api.h',
      'lib/libtensorflow.so',
      'lib/libtensorflow_cc.so.2',
      'lib/libtensorflow_framework.so',
      'lib/libtensorflow_framework.so.2',
    ]);
    expect(fs.readFileSync(path.join(library, 'lib/libtensorflow.so'), 'utf8')).toBe('C'.repeat(3_000_000));
    expect(fs.readFileSync(path.join(library, 'lib/libtensorflow_framework.so'), 'utf8')).toBe('framework');
    expect(progress.at(-1)).toBe(1);
  });

  it('of a wheel with another hash is refused, and nothing of it stays', async () => {
    const { bytes } = makeWheel();
    await expect(libtensorflow({ ...CPU_WHEEL, bytes }, () => {})).rejects.toMatchObject({
      code: 'FAILED',
      message: expect.stringMatching(/^tensorflow_cpu-2\.18\.1-.*\.whl: SHA-256 is [0-9a-f]{64}; it must be 810c75d7/),
    });
    expect(fs.readdirSync(path.join(folder, 'cache/hifi/native'))).toEqual([]);
  });
});

describe('linking', () => {
  it('installs the binding and the library in the package, and restores removed files', () => {
    const library = path.join(folder, 'library');
    const binding = path.join(folder, 'tfjs_binding.node');
    const tfjs = { name: 'tfjs', version: '1', folder: path.join(folder, 'package') };
    fs.mkdirSync(path.join(library, 'lib'), { recursive: true });
    fs.writeFileSync(path.join(library, 'lib/libtensorflow.so'), 'library');
    fs.writeFileSync(binding, 'binding');
    // Remains of an older set-up or of the package's own installer.
    fs.mkdirSync(path.join(tfjs.folder, 'deps/lib'), { recursive: true });
    fs.writeFileSync(path.join(tfjs.folder, 'deps/lib/libtensorflow.so'), 'another');
    expect(linkBinding(tfjs, library, binding)).toBe(true);
    const state = () => [
      fs.readFileSync(bindingFile(tfjs), 'utf8'),
      // The binding looks for it relative to its own path.
      fs.readFileSync(path.join(path.dirname(bindingFile(tfjs)), '../../deps/lib/libtensorflow.so'), 'utf8'),
    ];
    expect(state()).toEqual(['binding', 'library']);
    expect(linkBinding(tfjs, library, binding)).toBe(false);
    fs.rmSync(tfjs.folder, { recursive: true });
    fs.mkdirSync(tfjs.folder);
    expect(linkBinding(tfjs, library, binding)).toBe(true);
    expect(state()).toEqual(['binding', 'library']);
    expect(fs.readdirSync(tfjs.folder).sort()).toEqual(['deps', 'lib']);
  });
});

describe("the system's tools", () => {
  it('are found with their versions', async () => {
    const found = Object.fromEntries((await findTools()).map((tool) => [tool.name, tool.found]));
    expect(found).toEqual({
      python3: expect.stringMatching(/^Python 3\./),
      pip: expect.stringMatching(/^pip \d/),
      make: expect.stringMatching(/make/i),
      'C++ compiler': expect.stringMatching(/\d+\.\d+/),
    });
    await expect(requireTools()).resolves.toBeUndefined();
  });

  it('are named in one line if they are missing', async () => {
    process.env.PATH = folder;
    await expect(requireTools()).rejects.toMatchObject({
      code: 'FAILED',
      message: expect.stringMatching(
        /^set-up needs python3: .*; pip: .*; make: install make .*; C\+\+ compiler: [^\n]*$/,
      ),
    });
  });
});
