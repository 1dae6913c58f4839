#!/usr/bin/env node
// `npm run setup`: sets up a bare clone: packages, the build, the native parts. It is plain
// JavaScript, because nothing is built yet. Each step is skipped if it is done already; a second
// run takes about a second.
const { spawnSync } = require('node:child_process');
const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');

const root = path.dirname(__dirname);
/** File with the build's stamp: SHA-256 of everything that goes into a build. */
const STAMP = path.join(root, 'dist/.stamp');
/** File with the process id of the running set-up. */
const LOCK = path.join(root, 'dist/.setup-lock');
/** Folders that the build excludes, as in tsconfig.build.json. */
const NOT_BUILT = ['node_modules', 'dist', 'coverage', 'test', 'bench'];

const say = (line) => process.stderr.write(`${line}\n`);

class Missing extends Error {}

function checkNode() {
  const least = /\d+\.\d+/.exec(readJson('package.json').engines.node)[0].split('.').map(Number);
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > least[0] || (major === least[0] && minor >= least[1])) return;
  throw new Missing(`Node.js ${process.versions.node} is too old: ${least.join('.')} or newer is needed`);
}

/**
 * Returns true if `node_modules` has the versions of `package-lock.json`, by npm's own record of
 * its installation.
 */
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

/** Lists all files that the build depends on. */
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
  // tsc's record of its last build does not notice files that were removed from dist.
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

/** Removes the build's output of deleted sources. */
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

async function testTools() {
  const { setUpTestTools } = require(path.join(root, 'dist/infra/test-tools.js'));
  await setUpTestTools(say);
}

/** Progress line that is overwritten on a terminal. Elsewhere the steps' own lines suffice. */
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

/** Allows one set-up at a time in a checkout: `npm test` and `npm run demo` may start together. */
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

/** Returns the process id in a lock; 0 if there is none. */
function holder(lock = LOCK) {
  try {
    return Number(fs.readFileSync(lock, 'utf8')) || 0;
  } catch {
    return 0;
  }
}

/** Creates the lock with its content by a link, so that no one reads half of it. */
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
 * Removes a dead process's lock, under a name of its own. Of two processes that saw it dead, one
 * may move the other's new lock instead. That one goes back.
 */
function dropDeadLock(aside) {
  try {
    fs.renameSync(LOCK, aside);
  } catch (error) {
    if (error.code === 'ENOENT') return; // Released or removed in the meantime.
    throw error;
  }
  if (alive(holder(aside))) link(aside, LOCK);
  fs.rmSync(aside);
}

/** Links a file. Returns false if `to` exists. */
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
    // A package is packed without the native parts, which depend on the machine.
    if (!process.argv.includes('--build-only')) await nativeParts(process.argv.includes('--gpu'));
    // Only `npm test` needs the test tools; users of the package do not.
    if (process.argv.includes('--test-tools')) await testTools();
  });
}

main().catch((error) => {
  const known = error instanceof Missing || error?.name === 'HifiError';
  say(`setup: ${known ? error.message : error?.stack}`);
  process.exitCode = 1;
});
