import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js';

/** Leaves to GRPC_VERBOSITY alone what grpc-js writes to stderr: its errors are this project's, told once and in its words. */
export function quietLibrary(): void {
  if (process.env.GRPC_VERBOSITY === undefined) setLogVerbosity(logVerbosity.NONE);
}
