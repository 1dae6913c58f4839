import { type IdGenerator, RandomIdGenerator } from '@opentelemetry/sdk-trace-node';

/** Random ids, but for a span that is to have one that was made in advance. */
export class SpanIds implements IdGenerator {
  private readonly random = new RandomIdGenerator();
  private adopted: string | undefined;

  generateTraceId(): string {
    return this.random.generateTraceId();
  }

  generateSpanId(): string {
    return this.adopted ?? this.random.generateSpanId();
  }

  /** Makes one span, which gets this id; a random one where it is `undefined`. */
  adopt<T>(spanId: string | undefined, make: () => T): T {
    this.adopted = spanId;
    try {
      return make();
    } finally {
      this.adopted = undefined;
    }
  }
}
