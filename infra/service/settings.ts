import type { ProcessOptions } from '../engine';
import type { GrpcClient } from '../grpc/client';
import type { Credentials, Guard } from '../grpc/credentials';

export const SERVICE_NAMES = ['gateway', 'analyzer', 'trainer'] as const;
export type ServedName = (typeof SERVICE_NAMES)[number];

/** Settings of one service, as plain data that crosses to another process. */
export interface ServeSettings {
  name: ServedName;
  /** Folder of jobs, artifacts and checkpoints; created if it is missing. */
  stateDir: string;
  host: string;
  /** 0: any free port. */
  port: number;
  /** Unix socket on which it serves too, without TLS, for the other services of this user. */
  socket?: string;
  /**
   * Targets of the other services: `HOST:PORT`, `unix:PATH` or `dns:///HOST:PORT`. Without a
   * gateway artifacts are in the state directory, which it shares. `registry` is the gateway that
   * resolves the names of deltas; default: `gateway`.
   */
  peers: Record<'analyzer' | 'trainer', readonly string[]> & { gateway?: string; registry?: string };
  /** Folders that clients may name files and models in. */
  dataRoots: readonly string[];
  guard: Guard;
  /** Credentials for calls to other services. */
  credentials: Credentials;
  insecure: boolean;
  natsUrl?: string;
  /**
   * Address of the NATS server or cluster that stores the jobs, see `natsAddress`. Without it they
   * are in the state directory.
   */
  store?: string;
  /** Folder of the artifacts, or `s3://BUCKET/PREFIX`. Default: in the state directory. */
  artifacts?: string;
  /**
   * Port of the gateway's live page, or of an analyzer's calls over HTTP; 0: any free port. Without
   * it there are none.
   */
  httpPort?: number;
  /**
   * Memory for the models and deltas that stay loaded to answer, in bytes. Default: `WARM_MEMORY`.
   */
  warmMemory?: { models: number; deltas: number };
  /** Supervision of the engines' processes; default: `ENGINE_PROCESS`. */
  engineProcess?: ProcessOptions;
  /**
   * Longest absence of a service that a job waits for, in milliseconds; default:
   * `SCHEDULER_DEFAULTS`.
   */
  awayMs?: number;
  version: string;
}

/** Settings of a service with its connections to the gateway. */
export interface ServePart extends ServeSettings {
  /** Gateway that stores the artifacts; undefined if the state directory has them. */
  gateway: GrpcClient | undefined;
  /** Gateway that resolves the names of deltas. */
  registry: GrpcClient | undefined;
}

/** Running service. */
export interface Served {
  name: ServedName;
  port: number;
  /** Port of HTTP. */
  httpPort?: number;
}
