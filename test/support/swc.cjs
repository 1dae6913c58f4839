// How tests compile TypeScript: as the build does, without its type checks.
exports.swc = {
  jsc: { parser: { syntax: 'typescript' }, target: 'es2022', keepClassNames: true },
  module: { type: 'commonjs' },
  swcrc: false,
};
// And packages that are ES modules.
exports.swcModule = { ...exports.swc, jsc: { ...exports.swc.jsc, parser: { syntax: 'ecmascript' } } };
