import { AsyncLocalStorage } from 'node:async_hooks';
import { type Context, type ContextManager, context, ROOT_CONTEXT, type Span, trace } from '@opentelemetry/api';
import { parseTraceparent } from './traceparent';

/** Carries the active span through awaits, timers and callbacks. */
class AsyncContext implements ContextManager {
  private readonly storage = new AsyncLocalStorage<Context>();

  active(): Context {
    return this.storage.getStore() ?? ROOT_CONTEXT;
  }

  with<A extends unknown[], F extends (...args: A) => ReturnType<F>>(
    active: Context,
    work: F,
    self?: ThisParameterType<F>,
    ...args: A
  ): ReturnType<F> {
    return this.storage.run(active, () => work.apply(self, args));
  }

  bind<T>(active: Context, target: T): T {
    if (typeof target !== 'function') return target;
    return ((...args: unknown[]) => this.storage.run(active, () => target(...args))) as T;
  }

  enable(): this {
    return this;
  }

  disable(): this {
    this.storage.disable();
    return this;
  }
}

let used = false;

/** Has the active span follow the work, in the whole process: the services of a process share this and nothing else. */
export function useAsyncContext(): void {
  if (used) return;
  used = true;
  context.setGlobalContextManager(new AsyncContext());
}

/** The active context with another span in it, see `SpanSettings.parent`. */
export function contextUnder(parent: string | Span | null | undefined): Context {
  const active = context.active();
  if (parent === undefined) return active;
  if (parent !== null && typeof parent !== 'string') return trace.setSpan(active, parent);
  const spanContext = parent === null ? undefined : parseTraceparent(parent);
  return spanContext ? trace.setSpanContext(active, spanContext) : trace.deleteSpan(active);
}
