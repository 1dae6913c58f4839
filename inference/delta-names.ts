import { invalidPart } from '../foundation/errors';
import { unlessAborted } from '../foundation/unless-aborted';
import type { GrpcClient } from '../infra/grpc/client';
import { type DeltaVersion, RegistryService } from '../proto/gen/hifi/v1/registry_pb';
import { RpcError, status } from '../proto/status';

/** Registered version that a reference names. */
export interface ResolvedDelta {
  name: string;
  version: number;
  /** SHA-256 of its two files. */
  files: { info: string; tensors: string };
  /** The only base that it fits. */
  base: { name: string; sha256: string };
}

/** Age of an answer from which on a request looks for a newer one, in milliseconds. */
const FRESH_MS = 300;
/** Age of an answer from which on a request waits for the newer one, in milliseconds. */
const STALE_MS = 800;
/** Longest lookup, in milliseconds; of a reference with an earlier answer, and of another one. */
const [KNOWN_MS, UNKNOWN_MS] = [500, 5000];
/** Pause after a lookup that the gateway did not answer, in milliseconds. */
const AWAY_MS = 500;
/** Number of references whose answers are kept. */
const MOST_KNOWN = 10_000;

/** Answer of the gateway for a reference. */
interface Known {
  delta: ResolvedDelta;
  /** Revision of the registry from which on the answer is right. */
  revision: string;
}

/**
 * Names of deltas, as a gateway's registry resolves them. A changed alias takes effect within a
 * second. Until then requests get the earlier version, and few of them wait for a lookup:
 * concurrent requests share one, and each one confirms the answers for all references as long as
 * the registry's revision stays. While the gateway is away, the last answers hold without a limit.
 */
export class DeltaNames {
  /** Answers by reference, the oldest first. */
  private readonly known = new Map<string, Known>();
  private readonly lookups = new Map<string, Promise<ResolvedDelta>>();
  private revision = '';
  /** Start of the latest lookup that returned this revision. */
  private confirmed = Number.NEGATIVE_INFINITY;
  private awayUntil = Number.NEGATIVE_INFINITY;

  constructor(private readonly gateway: Pick<GrpcClient, 'unary'>) {}

  /**
   * Returns the version that a reference names.
   *
   * @throws HifiError INVALID_INPUT of the field `name` for an invalid reference; RpcError
   *   NOT_FOUND, and UNAVAILABLE if the gateway is away and has not answered for this reference
   *   before
   */
  async resolve(reference: string, signal?: AbortSignal): Promise<ResolvedDelta> {
    const known = this.known.get(reference);
    const now = performance.now();
    const age = known?.revision === this.revision ? now - this.confirmed : Number.POSITIVE_INFINITY;
    if (known && (age < STALE_MS || now < this.awayUntil)) {
      if (age >= FRESH_MS && now >= this.awayUntil && this.lookups.size === 0) this.lookup(reference).catch(() => {});
      return known.delta;
    }
    return unlessAborted(this.lookup(reference), signal);
  }

  private lookup(reference: string): Promise<ResolvedDelta> {
    const running = this.lookups.get(reference);
    if (running) return running;
    const lookup = this.answer(reference).finally(() => this.lookups.delete(reference));
    this.lookups.set(reference, lookup);
    return lookup;
  }

  private async answer(reference: string): Promise<ResolvedDelta> {
    const known = this.known.get(reference);
    const began = performance.now();
    try {
      const settings = { timeoutMs: known ? KNOWN_MS : UNKNOWN_MS };
      const { delta, revision } = await this.gateway.unary(RegistryService.method.getDelta, { reference }, settings);
      if (began > this.confirmed) [this.revision, this.confirmed] = [revision, began];
      return this.remember(reference, { delta: resolved(delta), revision });
    } catch (error) {
      if (known && isAway(error)) {
        this.awayUntil = performance.now() + AWAY_MS;
        return known.delta;
      }
      this.known.delete(reference);
      if (error instanceof RpcError && error.code === status.INVALID_ARGUMENT) throw invalidPart('name', error.message);
      throw error;
    }
  }

  private remember(reference: string, known: Known): ResolvedDelta {
    this.known.delete(reference);
    this.known.set(reference, known);
    if (this.known.size > MOST_KNOWN) this.known.delete(this.known.keys().next().value as string);
    return known.delta;
  }
}

const isAway = (error: unknown) =>
  error instanceof RpcError && (error.code === status.UNAVAILABLE || error.code === status.DEADLINE_EXCEEDED);

function resolved(delta: DeltaVersion | undefined): ResolvedDelta {
  if (!delta?.files || !delta.base) {
    throw new RpcError(status.INTERNAL, 'INTERNAL', 'the gateway has returned no delta');
  }
  const { name, version, files, base } = delta;
  return {
    name,
    version,
    files: { info: files.info, tensors: files.tensors },
    base: { name: base.name, sha256: base.sha256 },
  };
}
