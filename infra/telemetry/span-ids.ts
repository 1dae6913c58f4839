import { randomBytes } from 'node:crypto';
import { newSpanId } from './traceparent';

/** Random ids, except for a span that is to have an id made in advance. */
export class SpanIds {
  private adopted: string | undefined;

  generateTraceId(): string {
    return randomBytes(16).toString('hex');
  }

  generateSpanId(): string {
    return this.adopted ?? newSpanId();
  }

  /** Makes one span with this id; with a random one if it is `undefined`. */
  adopt<T>(spanId: string | undefined, make: () => T): T {
    this.adopted = spanId;
    try {
      return make();
    } finally {
      this.adopted = undefined;
    }
  }
}
