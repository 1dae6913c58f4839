// Lets processes and worker threads of tests run TypeScript: node --require THIS child.ts
const fs = require('node:fs');
const Module = require('node:module');

Module._extensions['.ts'] = (module, file) => {
  const { transformSync } = require('@swc/core');
  const { swc } = require('./swc.cjs');
  const source = fs.readFileSync(file, 'utf8');
  module._compile(transformSync(source, { ...swc, filename: file, sourceMaps: 'inline' }).code, file);
};
