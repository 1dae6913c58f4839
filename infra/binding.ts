import * as fs from 'node:fs';
import * as path from 'node:path';
import { lastLines, runCommand } from '../foundation/command';
import { failed } from '../foundation/errors';
import { replaceWhole } from '../foundation/whole-file';
import { cached } from './cache';

/**
 * Node-API version of tfjs-node's binding: the highest that its package names; Node 20 supports it.
 */
const NAPI = 8;

/** Path of the binding, relative to the package's folder. */
const BINDING = `lib/napi-v${NAPI}/tfjs_binding.node`;

/** The installed `@tensorflow/tfjs-node` or `@tensorflow/tfjs-node-gpu`. */
export interface BindingPackage {
  name: string;
  folder: string;
  version: string;
}

/** Finds an installed package; undefined if it is not installed. */
export function findPackage(name: string): BindingPackage | undefined {
  try {
    const file = require.resolve(`${name}/package.json`);
    return { name, folder: path.dirname(file), version: JSON.parse(fs.readFileSync(file, 'utf8')).version };
  } catch {
    return undefined;
  }
}

/** Path of the binding that the package loads. */
export const bindingFile = (tfjs: BindingPackage) => path.join(tfjs.folder, BINDING);

/**
 * Cache folder of the built binding. It depends only on the package, the library and the version of
 * Node-API.
 */
export const bindingName = (tfjs: BindingPackage, library: string) =>
  `native/${path.basename(tfjs.folder)}-${tfjs.version}-${path.basename(library)}-napi-v${NAPI}`;

/**
 * Builds the package's binding against `library` (see `libtensorflow`) by node-gyp, or takes it
 * from the cache.
 *
 * @returns the path of `tfjs_binding.node` in the cache
 * @throws HifiError FAILED with the compiler's first error; CANCELLED
 */
export async function buildBinding(
  tfjs: BindingPackage,
  library: string,
  log: (line: string) => void,
  signal?: AbortSignal,
): Promise<string> {
  const folder = await cached(bindingName(tfjs, library), async (making) => {
    log(`building the binding of ${tfjs.name} ${tfjs.version}`);
    const work = path.join(making, 'build-here');
    fs.mkdirSync(work);
    for (const part of ['binding', 'binding.gyp', 'package.json']) {
      fs.cpSync(path.join(tfjs.folder, part), path.join(work, part), { recursive: true });
    }
    fs.symlinkSync(library, path.join(work, 'deps'));
    const headers = nodeHeaders();
    const { status, output } = await runCommand(
      process.execPath,
      [
        ...[require.resolve('node-gyp/bin/node-gyp.js'), 'rebuild', ...(headers ? [`--nodedir=${headers}`] : []), '--'],
        ...['-Dmodule_name=tfjs_binding', `-Dmodule_path=./lib/napi-v${NAPI}`, `-Dnapi_build_version=${NAPI}`],
      ],
      { cwd: work, signal },
    );
    if (status !== 0) {
      const reason = lastLines(output, 400).find((line) => /\berror\b[:!]?|ERR! stack/i.test(line));
      throw failed(
        `could not build the binding of ${tfjs.name}: ${reason ?? lastLines(output, 1)[0] ?? 'no reason given'}`,
      );
    }
    fs.copyFileSync(path.join(work, BINDING), path.join(making, 'tfjs_binding.node'));
    fs.rmSync(work, { recursive: true });
  });
  return path.join(folder, 'tfjs_binding.node');
}

/**
 * Installs the binding and the library in the package: a copy of the small one, a link to the big
 * one. The binding finds the library by its own path, `$ORIGIN/../../deps/lib`. Correct files are
 * not touched.
 *
 * @returns true if anything changed
 */
export function linkBinding(tfjs: BindingPackage, library: string, binding: string): boolean {
  const deps = path.join(tfjs.folder, 'deps');
  const target = bindingFile(tfjs);
  const linked = linkTarget(deps) === library;
  const copied = fs.existsSync(target) && fs.readFileSync(target).equals(fs.readFileSync(binding));
  if (!linked) {
    if (linkTarget(deps) === undefined) fs.rmSync(deps, { recursive: true, force: true });
    replaceWhole(deps, (beside) => fs.symlinkSync(library, beside));
  }
  if (!copied) {
    fs.mkdirSync(path.dirname(target), { recursive: true });
    replaceWhole(target, (beside) => fs.copyFileSync(binding, beside));
  }
  return !linked || !copied;
}

function linkTarget(file: string): string | undefined {
  try {
    return fs.readlinkSync(file);
  } catch {
    return undefined;
  }
}

/**
 * Returns a prefix with `include/node`: that of the running Node, else one of the system's.
 * Node-API is the same in all versions, so any headers with version 8 suffice. Without headers
 * node-gyp downloads them.
 */
function nodeHeaders(): string | undefined {
  const own = path.dirname(path.dirname(fs.realpathSync(process.execPath)));
  return [own, '/usr', '/usr/local'].find((prefix) => fs.existsSync(path.join(prefix, 'include/node/node_api.h')));
}
