import { setTimeout as delay } from 'node:timers/promises';
import { RpcError, status } from '../../proto/status';

/**
 * Makes a call, again whenever the service is busy: RESOURCE_EXHAUSTED with a pause after which to
 * ask again.
 *
 * @throws RpcError any other error; AbortError when `signal` aborts during a pause
 */
export async function patiently<T>(call: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (thrown) {
      const { retrySeconds } = thrown instanceof RpcError ? thrown.details : {};
      if (retrySeconds === undefined || (thrown as RpcError).code !== status.RESOURCE_EXHAUSTED) throw thrown;
      await delay(retrySeconds * 1000, undefined, { signal });
    }
  }
}
