// Compiles TypeScript for tests like the build, without type checks.
exports.swc = {
  jsc: { parser: { syntax: 'typescript' }, target: 'es2022', keepClassNames: true },
  module: { type: 'commonjs' },
  swcrc: false,
};
// Also compiles packages that are ES modules.
exports.swcModule = { ...exports.swc, jsc: { ...exports.swc.jsc, parser: { syntax: 'ecmascript' } } };
