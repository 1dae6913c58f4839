/** The W3C traceparent of the span that is active; undefined where there is none. */
export const currentTraceparent = (): string | undefined => undefined;
