import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js';

/**
 * Limits the stderr output of grpc-js to GRPC_VERBOSITY: this project reports its errors once, in
 * its own words.
 */
export function quietLibrary(): void {
  if (process.env.GRPC_VERBOSITY === undefined) setLogVerbosity(logVerbosity.NONE);
}
