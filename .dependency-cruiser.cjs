// What imports what: each room's invariant (see ARCHITECTURE.md) as a rule. `npm run check:imports`.

/** A stage of the analysis, the training or what comes of it: all of these rooms but their doors, to the engine's process and to clients. */
const DOORS = '^(analyzer|trainer|results)/(engine|child|service)\\.ts$';
const STAGES = { path: '^(analyzer|trainer|results)/', pathNot: DOORS };

const rule = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    rule('no-cycles', 'Imports go one way, those of types too.', {}, { circular: true }),
    rule('resolvable', 'What is imported is there and is listed in package.json.', {}, { couldNotResolve: true }),
    rule('heads-are-pure', 'heads/ imports nothing but itself.', { path: '^heads/' }, { pathNot: '^heads/' }),
    rule(
      'files-are-below',
      'files/ imports nothing but the errors.',
      { path: '^files/' },
      {
        pathNot: '^(files/|errors\\.ts$)|^(node:)?(fs|path|crypto)$',
      },
    ),
    rule(
      'engines-are-apart',
      'analyzer/ and trainer/ never import each other.',
      { path: '^(analyzer|trainer)/' },
      { path: '^(analyzer|trainer)/', pathNot: '^$1/' },
    ),
    rule(
      'results-stand-alone',
      'results/ needs no trainer: it imports model/, data/ and heads/ alone, and no TensorFlow.',
      { path: '^results/' },
      { path: '^(analyzer|trainer|job|gateway|cli|report)/|node_modules/@tensorflow/' },
    ),
    rule('stages-know-no-surroundings', 'Stages know nothing of what runs them.', STAGES, {
      path: '^(infra|cli|job|gateway|report|proto|wire)/|node_modules/(@grpc|@nats-io|@opentelemetry|pino|commander)/',
    }),
    rule(
      'messages-stop-at-the-wire',
      'Messages of the contract are known to wire/, to services and to those who call them: to no stage, and not to the driver of jobs.',
      {
        path: '^(?!(proto|wire|infra/grpc|gateway|server|cli|test|bench)/|artifacts/(remote|transfer)\\.ts|(analyzer|trainer)/service\\.ts)',
      },
      { path: '^proto/' },
    ),
    rule(
      'wire-is-a-mapping',
      'wire/ knows messages and domain types, and nothing of what runs them but how errors are sent.',
      { path: '^wire/' },
      {
        path: '^(infra(?!/grpc/status\\.ts)|cli|server|report|bench)/|^(analyzer|trainer|results)/(engine|child|service)\\.ts$|node_modules/@grpc/',
      },
    ),
    rule(
      'a-job-needs-no-server',
      'job/ runs without a gateway: who serves jobs imports it.',
      { path: '^job/' },
      { path: '^(gateway|server|cli|library|compare)/' },
    ),
    rule(
      'model-and-data-are-below',
      'model/ and data/ import no room above them.',
      { path: '^(model|data)/' },
      { path: '^(analyzer|trainer|results|job|gateway|cli|infra|report|wire|artifacts)/' },
    ),
    rule(
      'entries-are-above',
      'Nothing imports the command line but itself.',
      { pathNot: '^(cli|test|bench)/' },
      { path: '^cli/' },
    ),
    rule(
      'library-is-above',
      'What only the library adds is known to nobody else.',
      { pathNot: '^(library|test)/|^index\\.ts$' },
      { path: '^library/' },
    ),
    rule(
      'examples-are-users',
      'An example imports the package, as its reader does.',
      { path: '^examples/' },
      { path: '.', pathNot: '^index\\.ts$', dependencyTypesNot: ['core'] },
    ),
    rule(
      'comparisons-are-above',
      'A comparison drives the engines: nothing but the command line knows it.',
      { pathNot: '^(compare|cli|test|bench)/' },
      { path: '^compare/' },
    ),
    rule(
      'what-a-comparison-says-is-pure',
      'Statistics and regression import nothing but one another.',
      { path: '^compare/(statistics|lbfgs|logistic)\\.ts$' },
      { pathNot: '^compare/(statistics|lbfgs|logistic)\\.ts$' },
    ),
    rule(
      'sources-know-no-tests',
      'What ships imports no test.',
      { pathNot: '^(test/|bench/|jest\\.config)' },
      {
        path: '^test/',
      },
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|coverage|demo-out)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['types', 'require', 'node', 'default'] },
  },
};
