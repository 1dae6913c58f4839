import type { ProcessOptions } from '../engine';
import type { GrpcClient } from '../grpc/client';
import type { Credentials, Guard } from '../grpc/credentials';

export const SERVICE_NAMES = ['gateway', 'analyzer', 'trainer'] as const;
export type ServedName = (typeof SERVICE_NAMES)[number];

export interface ServeSettings {
  services: readonly ServedName[];
  /** Jobs, artifacts and checkpoints; is made where it is not there. */
  stateDir: string;
  host: string;
  /** 0: any that is free. */
  ports: Record<ServedName, number>;
  /**
   * Where the other services are, `HOST:PORT`; not asked for those that are served here. Without a gateway artifacts are in the
   * state directory, which it shares.
   */
  peers: Record<'analyzer' | 'trainer', string> & { gateway?: string };
  /** Folders that clients may name files and models in. */
  dataRoots: readonly string[];
  guard: Guard;
  /** What this process shows to other services. */
  credentials: Credentials;
  insecure: boolean;
  natsUrl?: string;
  /** The port of the live page, which the gateway serves; 0: any that is free. Without it there is none. */
  httpPort?: number;
  /** How the engines' processes are looked after; by default see `ENGINE_PROCESS`. */
  engineProcess?: ProcessOptions;
  /**
   * Longest absence of a service that a job waits for, in milliseconds; default:
   * `SCHEDULER_DEFAULTS`.
   */
  awayMs?: number;
  version: string;
}

/** What one of the services is served with. */
export interface ServePart extends ServeSettings {
  name: ServedName;
  /** A Unix socket to be served on too. */
  socket: string;
  /** Where the gateway's artifacts are; undefined where they are this process's own. */
  gateway: GrpcClient | undefined;
}

/** Running service. */
export interface Served {
  name: ServedName;
  port: number;
  /** Of the live page. */
  pagePort?: number;
}
