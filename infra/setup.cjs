#!/usr/bin/env node
// `npm run setup`: installs packages, builds, and sets up the native parts. It is plain JavaScript
// because a bare clone has no build. It skips steps that are done: a second run takes about 1 s.
const { spawnSync } = require('node:child_process');
const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');

const root = path.dirname(__dirname);
/** Stamp of the build: SHA-256 over all its sources. */
const STAMP = path.join(root, 'dist/.stamp');
/** Process id of the running set-up. */
const LOCK = path.join(root, 'dist/.setup-lock');
/** Folders outside the build, as in tsconfig.build.json. */
const NOT_BUILT = ['node_modules', 'dist', 'coverage', 'test', 'bench'];

const say = (line) => process.stderr.write(`${line}\n`);

class Missing extends Error {}

function checkNode() {
  const least = /\d+\.\d+/.exec(readJson('package.json').engines.node)[0].split('.').map(Number);
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > least[0] || (major === least[0] && minor >= least[1])) return;
  throw new Missing(`Node.js is ${process.versions.node}; it must be ${least.join('.')} or newer`);
}

/** True if `node_modules` has the versions of `package-lock.json`, by npm's own record. */
function packagesMatch() {
  let installed;
  try {
    installed = readJson('node_modules/.package-lock.json').packages;
  } catch {
    return false;
  }
  return Object.entries(readJson('package-lock.json').packages).every(([place, wanted]) => {
    if (place === '') return true;
    if (installed[place] === undefined) return wanted.optional === true; // of another platform
    return installed[place].version === wanted.version && fs.existsSync(path.join(root, place, 'package.json'));
  });
}

function installPackages() {
  if (packagesMatch()) return;
  say('installing packages (npm ci)');
  const args = ['ci', '--ignore-scripts', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  const npm = process.env.npm_execpath;
  // onnxruntime-node's own installer downloads CUDA parts, which the CPU does not need.
  const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' };
  const options = { cwd: root, env, stdio: ['ignore', 2, 2] };
  const { status, error } = npm?.endsWith('.js')
    ? spawnSync(process.execPath, [npm, ...args], options)
    : spawnSync('npm', args, options);
  if (status !== 0) throw new Missing(`npm ci failed${error ? `: ${error.message}` : ''}`);
}

/** Files that the build depends on. */
function sources() {
  const files = ['package-lock.json', 'tsconfig.json', 'tsconfig.build.json'];
  const walk = (folder) => {
    for (const entry of fs.readdirSync(path.join(root, folder), { withFileTypes: true })) {
      const file = path.join(folder, entry.name);
      if (entry.isDirectory() && !NOT_BUILT.includes(entry.name) && !entry.name.startsWith('.')) walk(file);
      if (entry.isFile() && entry.name.endsWith('.ts')) files.push(file);
    }
  };
  walk('');
  return files.sort();
}

function build() {
  const files = sources();
  const hash = crypto.createHash('sha256');
  for (const file of files)
    hash
      .update(file)
      .update('\0')
      .update(fs.readFileSync(path.join(root, file)))
      .update('\0');
  const stamp = hash.digest('hex');
  const built = files.filter((file) => file.endsWith('.ts')).map((file) => file.replace(/\.ts$/, ''));
  const whole = built.every((file) => fs.existsSync(path.join(root, 'dist', `${file}.js`)));
  if (whole && fs.existsSync(STAMP) && fs.readFileSync(STAMP, 'utf8') === stamp) return;
  say('building (tsc)');
  // tsc's record of its last build does not mention files removed since.
  if (!whole) fs.rmSync(path.join(root, 'dist/.tsbuildinfo'), { force: true });
  removeOrphans(new Set(built));
  const tsc = path.join(root, 'node_modules/typescript/bin/tsc');
  const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  if (status !== 0) throw new Missing('the build failed');
  fs.writeFileSync(STAMP, stamp);
}

/** Removes built files whose sources no longer exist. */
function removeOrphans(sources) {
  const dist = path.join(root, 'dist');
  for (const file of fs.readdirSync(dist, { recursive: true })) {
    const built = /^(.*?)(\.d\.ts|\.js)$/.exec(file);
    if (built && !sources.has(built[1])) fs.rmSync(path.join(dist, file), { force: true });
  }
}

function makeRunnable() {
  for (const file of Object.values(readJson('package.json').bin ?? {})) {
    if (fs.existsSync(path.join(root, file))) fs.chmodSync(path.join(root, file), 0o755);
  }
}

async function nativeParts(gpu) {
  const { setUp } = require(path.join(root, 'dist/infra/native.js'));
  await setUp({ gpu, log: say, onProgress: downloadLine() });
}

/** Prepares programs that tests start. These sources are no part of the build. */
async function testTools() {
  const support = path.join(root, 'test/support');
  require(path.join(support, 'typescript-hook.cjs'));
  const { setUpTestTools } = require(path.join(support, 'test-tools.ts'));
  await setUpTestTools(say);
}

/** Progress line that is overwritten on a terminal; undefined elsewhere. */
function downloadLine() {
  if (!process.stderr.isTTY) return undefined;
  return ({ done, total }) => {
    const end = done >= total ? '\n' : '';
    process.stderr.write(`\r  ${Math.round(done / 1e6)} of ${Math.round(total / 1e6)} MB${end}`);
  };
}

function readJson(file) {
  return JSON.parse(fs.readFileSync(path.join(root, file), 'utf8'));
}

/** Runs one set-up at a time in a checkout: `npm test` and `npm run demo` may start together. */
async function withLock(work) {
  fs.mkdirSync(path.dirname(LOCK), { recursive: true });
  let waited = false;
  while (!takeLock()) {
    if (!waited) say(`waiting for another set-up of this checkout (process ${holder()})`);
    waited = true;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const release = () => {
    if (holder() === process.pid) fs.rmSync(LOCK, { force: true });
  };
  process.once('exit', release);
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));
  await work();
  release();
}

/** @returns process id in a lock, 0 if there is none */
function holder(lock = LOCK) {
  try {
    return Number(fs.readFileSync(lock, 'utf8')) || 0;
  } catch {
    return 0;
  }
}

/** Takes the lock by a link, so that it appears with its content. */
function takeLock() {
  const own = `${LOCK}.${process.pid}`;
  fs.writeFileSync(own, String(process.pid));
  try {
    if (link(own, LOCK)) return true;
    if (alive(holder())) return false;
    dropDeadLock(`${own}.dead`);
    return link(own, LOCK);
  } finally {
    fs.rmSync(own);
  }
}

/**
 * Removes a dead process's lock by renaming it. Of two processes that do so, the second may rename
 * the first one's new lock; it puts that lock back.
 */
function dropDeadLock(aside) {
  try {
    fs.renameSync(LOCK, aside);
  } catch (error) {
    if (error.code === 'ENOENT') return; // Already released or removed.
    throw error;
  }
  if (alive(holder(aside))) link(aside, LOCK);
  fs.rmSync(aside);
}

/** @returns true if `to` was free */
function link(from, to) {
  try {
    fs.linkSync(from, to);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

function alive(pid) {
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

async function main() {
  checkNode();
  await withLock(async () => {
    installPackages();
    build();
    makeRunnable();
    // A package contains no native parts, which depend on the machine.
    if (!process.argv.includes('--build-only')) await nativeParts(process.argv.includes('--gpu'));
    // Only `npm test` needs them.
    if (process.argv.includes('--test-tools')) await testTools();
  });
}

main().catch((error) => {
  const known = error instanceof Missing || error?.name === 'HifiError';
  say(`setup: ${known ? error.message : error?.stack}`);
  process.exitCode = 1;
});
