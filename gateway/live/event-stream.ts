import type { ServerResponse } from 'node:http';
import { cancelled } from '../../foundation/errors';

/** Interval of keep-alive lines on a stream, in milliseconds: proxies close a silent stream. */
const ALIVE_MS = 20_000;
/** Longest time that a reader may leave waiting events unread, in milliseconds. */
const MOST_IDLE_MS = 60_000;
/** Line that readers ignore. */
const COMMENT = ':\n\n';

/**
 * Stream of server-sent events to one reader. It waits for the reader and disconnects one that
 * reads nothing for a minute.
 */
export class EventStream {
  private readonly left = new AbortController();

  /** Sends the response headers. */
  constructor(
    private readonly response: ServerResponse,
    mostIdleMs = MOST_IDLE_MS,
  ) {
    cutIdleReader(response, mostIdleMs);
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write(COMMENT);
    // While the reader is behind, keep-alive lines would count as activity.
    const alive = setInterval(() => {
      if (!response.writableEnded && !response.writableNeedDrain) response.write(COMMENT);
    }, ALIVE_MS);
    response.once('close', () => {
      clearInterval(alive);
      this.left.abort();
    });
  }

  /** Aborts when the reader has left or was disconnected. */
  get signal(): AbortSignal {
    return this.left.signal;
  }

  /**
   * Sends one event; settles when the reader is ready for the next.
   *
   * @throws HifiError CANCELLED if the reader is gone
   */
  async send(kind: string, data: unknown): Promise<void> {
    if (this.signal.aborted) throw cancelled();
    if (!this.response.write(`event: ${kind}\ndata: ${JSON.stringify(data)}\n\n`)) await this.drained();
  }

  /** Ends the stream, unless the reader is gone. */
  end(): void {
    this.response.end();
  }

  private drained(): Promise<void> {
    const { response, signal } = this;
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => () => {
        response.off('drain', drain);
        signal.removeEventListener('abort', abort);
        settle();
      };
      const drain = end(resolve);
      const abort = end(() => reject(cancelled()));
      response.once('drain', drain);
      signal.addEventListener('abort', abort, { once: true });
    });
  }
}

/**
 * Disconnects a reader after a time without reading. Data in the system's buffers counts as read.
 */
export function cutIdleReader(response: ServerResponse, mostIdleMs = MOST_IDLE_MS): void {
  response.setTimeout(mostIdleMs, () => response.destroy());
}
