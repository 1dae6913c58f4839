import { serve } from '../../cli/services';
import { supervise } from '../../infra/service/supervisor';

// Services with settings that the command has no flags for, given as JSON: one service if they have
// a name, else all. Prints the ports as `hifi serve --json` does.
const settings = JSON.parse(process.argv[2]);
const entry = require.resolve('../../cli/service-child');
const started =
  settings.name === undefined
    ? supervise({ ...settings, entry }).then(({ served }) => served)
    : serve(settings).then(({ served }) => [served]);
started.then(
  (served) => {
    process.stdout.write(`${JSON.stringify(Object.fromEntries(served.map(({ name, port }) => [name, port])))}\n`);
  },
  (error) => {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  },
);
