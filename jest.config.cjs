const { availableParallelism } = require('node:os');
const path = require('node:path');
const { swc, swcModule } = require('./test/support/swc.cjs');

// Engines are child processes with worker threads; in tests they run the sources, not the build.
// The output of tests omits remarks of TensorFlow and onnxruntime about the machine.
process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
// PyTorch and NumPy compute on tiny models in Python tests: threads would only wait for each other.
process.env.OMP_NUM_THREADS ??= '1';

const hook = path.join(__dirname, 'test/support/typescript-hook.cjs');
const options = process.env.NODE_OPTIONS ?? '';
if (!options.includes(hook)) process.env.NODE_OPTIONS = `${options} --require=${JSON.stringify(hook)}`.trim();

/** @type {import('jest').Config} */
module.exports = {
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  testEnvironment: '<rootDir>/test/support/native-environment.cjs',
  transform: { '\\.ts$': ['@swc/jest', swc], '\\.js$': ['@swc/jest', swcModule] },
  // Jest compiles ES modules, and a package that loads Node's http by `import()`.
  transformIgnorePatterns: [
    '/node_modules/(?!(.*/)?(hyparquet|hyparquet-compressors|hysnappy|fzstd|otlp-exporter-base)/)',
  ],
  modulePathIgnorePatterns: ['<rootDir>/dist/'],
  // With a worker per core, tests that wait for a process or a timer leave a quarter of them idle.
  maxWorkers: Math.ceil(1.5 * availableParallelism()),
  testTimeout: 120_000,
};
