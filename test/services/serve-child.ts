import { serve } from '../../cli/services';

// Services with settings that the command has no flags for. They are given as JSON; the ports come as `hifi serve --json` prints them.
serve(JSON.parse(process.argv[2])).then(
  ({ served }) => {
    process.stdout.write(`${JSON.stringify(Object.fromEntries(served.map(({ name, port }) => [name, port])))}\n`);
  },
  (error) => {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  },
);
