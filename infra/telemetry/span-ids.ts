import { randomBytes } from 'node:crypto';
import { newSpanId } from './traceparent';

/** Generator of random ids, which can also give a span an id created in advance. */
export class SpanIds {
  private adopted: string | undefined;

  generateTraceId(): string {
    return randomBytes(16).toString('hex');
  }

  generateSpanId(): string {
    return this.adopted ?? newSpanId();
  }

  /** Creates one span with this id, or a random one if it is undefined. */
  adopt<T>(spanId: string | undefined, make: () => T): T {
    this.adopted = spanId;
    try {
      return make();
    } finally {
      this.adopted = undefined;
    }
  }
}
