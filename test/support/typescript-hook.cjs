// Lets processes and worker threads of tests run TypeScript: node --require THIS child.ts
// Compiled files are cached by content, because tests start hundreds of processes.
const { createHash } = require('node:crypto');
const fs = require('node:fs');
const Module = require('node:module');
const path = require('node:path');
const { threadId } = require('node:worker_threads');
const { swc } = require('./swc.cjs');

const folder = path.join(__dirname, '../../node_modules/.cache/hifi-test');
const settings = JSON.stringify([require('@swc/core/package.json').version, swc]);

function compiled(file) {
  const source = fs.readFileSync(file, 'utf8');
  const key = createHash('sha256').update(`${settings}\n${file}\n${source}`).digest('hex');
  const cached = path.join(folder, `${key}.js`);
  try {
    return fs.readFileSync(cached, 'utf8');
  } catch {
    const { transformSync } = require('@swc/core');
    const { code } = transformSync(source, { ...swc, filename: file, sourceMaps: 'inline' });
    keep(code, cached);
    return code;
  }
}

function keep(code, cached) {
  const part = `${cached}.${process.pid}.${threadId}`;
  try {
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(part, code);
    fs.renameSync(part, cached);
  } catch {
    // A test's process may run as a user who cannot write here.
  }
}

Module._extensions['.ts'] = (module, file) => module._compile(compiled(file), file);
