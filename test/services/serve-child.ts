import { serve } from '../../cli/services';

// Starts services with settings that the command has no flags for, given as JSON. Prints the ports
// as `hifi serve --json` does.
serve(JSON.parse(process.argv[2])).then(
  ({ served }) => {
    process.stdout.write(`${JSON.stringify(Object.fromEntries(served.map(({ name, port }) => [name, port])))}\n`);
  },
  (error) => {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  },
);
