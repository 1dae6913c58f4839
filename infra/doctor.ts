import * as fs from 'node:fs';
import * as path from 'node:path';
import { cacheFolder } from '../foundation/cache-folder';
import { lastLines, runCommand } from '../foundation/command';
import { resolveModel } from '../model/resolve';
import { hasBfloat16, type Processor, thisProcessor } from './bfloat16';
import { findPackage } from './binding';
import { isCached } from './cache';
import { CPU_WHEEL, libraryName } from './libtensorflow';
import { trainerEnvironment } from './tensorflow';
import { findTools } from './tools';

/** Result of one check. */
export interface Check {
  name: string;
  ok: boolean;
  /** True if hifi does not work without it; other checks are informative. */
  required: boolean;
  /** Short description of the finding. */
  found: string;
  /** Remedy; `null` if the check passed. */
  mend: string | null;
}

/** Oldest supported Node.js: package.json's `engines`. */
const NODE_LEAST = [20, 19] as const;
/** Free space that set-up needs, in bytes: the wheel, its unpacked files, and a margin. */
const SET_UP_BYTES = 1.2e9;
/** Model of the demo. */
const DEMO_MODEL = 'all-MiniLM-L6-v2';

/**
 * Checks everything that `hifi` needs from the machine. Changes nothing. It takes a few seconds,
 * because it loads the engines.
 */
export async function examine(): Promise<Check[]> {
  const [tensorflow, tools, onnxruntime, cuda, model] = await Promise.all([
    checkTensorFlow(),
    findTools(),
    checkOnnxRuntime(),
    checkCuda(),
    checkModel(),
  ]);
  return [
    checkNode(),
    ...tools.map(({ name, found, remedy }) => ({
      ...check(name, found !== null, found ?? 'not found', remedy),
      // The tools are only needed to build the binding.
      required: !tensorflow.ok,
    })),
    checkCache(),
    tensorflow,
    onnxruntime,
    { ...checkBfloat16(), required: false },
    { ...cuda, required: false },
    { ...model, required: false },
  ];
}

const check = (name: string, ok: boolean, found: string, remedy: string): Check => ({
  name,
  ok,
  required: true,
  found,
  mend: ok ? null : remedy,
});

/** Checks the version of Node.js. @param version such as `20.19.0`; default: the running Node's */
export function checkNode(version: string = process.versions.node): Check {
  const [major, minor] = version.split('.').map(Number);
  const ok = major > NODE_LEAST[0] || (major === NODE_LEAST[0] && minor >= NODE_LEAST[1]);
  return check('Node.js', ok, version, `install Node.js ${NODE_LEAST.join('.')} or newer`);
}

function checkCache(): Check {
  const folder = cacheFolder();
  const name = 'cache folder';
  let existing = folder;
  while (!fs.existsSync(existing)) existing = path.dirname(existing);
  try {
    fs.accessSync(existing, fs.constants.W_OK);
  } catch {
    return check(name, false, `${folder} cannot be written`, 'set XDG_CACHE_HOME to a folder that can be written');
  }
  const { bavail, bsize } = fs.statfsSync(existing);
  const enough = isCached(libraryName(CPU_WHEEL)) || bavail * bsize >= SET_UP_BYTES;
  const found = `${folder}, ${(Number(bavail * bsize) / 1e9).toFixed(1)} GB free`;
  return check(
    name,
    enough,
    found,
    `set-up needs ${SET_UP_BYTES / 1e9} GB: make room, or set XDG_CACHE_HOME elsewhere`,
  );
}

async function checkTensorFlow(): Promise<Check> {
  const script = `
    const tf = require(process.argv[1]).loadTensorFlow();
    const two = tf.createTensor([2], tf.TF_FLOAT, Float32Array.of(1, 2));
    const [{ id }] = tf.executeOp('AddV2', [{ name: 'T', type: tf.TF_ATTR_TYPE, value: tf.TF_FLOAT }], [two, two], 1);
    const sum = tf.tensorDataSync(id).join();
    if (sum !== '2,4') throw new Error('1,2 + 1,2 is ' + sum);
    console.log('tfjs-node ' + process.argv[2] + ' on TensorFlow ' + tf.TF_Version);`;
  const version = findPackage('@tensorflow/tfjs-node')?.version ?? '';
  const { ok, found } = await inChild(script, [require.resolve('./tensorflow'), version], trainerEnvironment());
  return check('TensorFlow', ok, found, 'npx hifi setup');
}

async function checkOnnxRuntime(): Promise<Check> {
  const script = `
    const ort = require(process.argv[1]);
    const names = ort.listSupportedBackends().filter((one) => one.bundled).map((one) => one.name);
    console.log('onnxruntime-node ' + ort.env.versions.node + ', with ' + names.join(', '));`;
  let entry: string;
  try {
    entry = require.resolve('onnxruntime-node');
  } catch {
    return check('onnxruntime', false, 'not installed', 'npm ci');
  }
  const { ok, found } = await inChild(script, [entry]);
  return check('onnxruntime', ok, found, 'npm ci (Linux x64: glibc 2.28 or newer)');
}

/** Checks if `--precision bf16` works. @param processor default: this machine's */
export function checkBfloat16(processor: Processor = thisProcessor()): Check {
  const has = hasBfloat16(processor);
  const found = `${processor.model} ${has ? 'has amx_bf16' : 'lacks amx_bf16: --precision bf16 is an error'}`;
  return check('bfloat16', has, found, 'nothing to do: float32 is the default');
}

async function checkCuda(): Promise<Check> {
  const { status, output } = await runCommand('nvidia-smi', ['--query-gpu=name,memory.total', '--format=csv,noheader']);
  const card = status === 0 ? lastLines(output, 8).join('; ') : undefined;
  return check(
    'CUDA',
    card !== undefined,
    card ?? 'no NVIDIA card or driver found: the CPU is used',
    'nothing to do, unless there is a card: then install its driver',
  );
}

async function checkModel(): Promise<Check> {
  const found = await resolveModel(DEMO_MODEL, { offline: true }).catch(() => undefined);
  return check(
    `model ${DEMO_MODEL}`,
    found !== undefined,
    found ?? 'not fetched yet',
    'nothing to do: fetched on first use',
  );
}

/**
 * Runs a script in its own Node.js process, because a native library that fails to load may crash
 * it.
 */
async function inChild(script: string, args: string[], env: Record<string, string> = {}) {
  const { status, output } = await runCommand(process.execPath, ['-e', script, ...args], { env });
  const lines = lastLines(output, 400);
  const reason = lines.find((line) => /Error:/.test(line))?.trim();
  return { ok: status === 0, found: status === 0 ? (lines.pop() ?? '') : (reason ?? `ended with status ${status}`) };
}
