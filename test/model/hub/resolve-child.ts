import { resolveModel } from '../../../model/resolve';

/** Process that fetches a model, argv[2], and prints its folder. */
resolveModel(process.argv[2]).then(
  (folder) => process.stdout.write(folder),
  (error: Error) => {
    process.stderr.write(error.message);
    process.exitCode = 1;
  },
);
