import {
  currentTraceparent,
  newSpanId,
  parseTraceparent,
  siblingTraceparent,
  traceIdOf,
} from '../../../infra/telemetry/traceparent';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';

it('parses a traceparent as specified', () => {
  const names = { traceId: TRACE, spanId: SPAN, isRemote: true };
  expect(parseTraceparent(`00-${TRACE}-${SPAN}-01`)).toEqual({ ...names, traceFlags: 1 });
  expect(parseTraceparent(`00-${TRACE}-${SPAN}-00`)).toEqual({ ...names, traceFlags: 0 });
  // A future version may have more parts.
  expect(parseTraceparent(`cc-${TRACE}-${SPAN}-01-what-is-to-come`)).toEqual({ ...names, traceFlags: 1 });
});

it.each([
  '',
  `00-${TRACE}-${SPAN}`,
  `00-${TRACE}-${SPAN}-01-more`,
  `ff-${TRACE}-${SPAN}-01`,
  `00-${'0'.repeat(32)}-${SPAN}-01`,
  `00-${TRACE}-${'0'.repeat(16)}-01`,
  `00-${TRACE.toUpperCase()}-${SPAN}-01`,
  `00-${TRACE}-${SPAN}-01\n`,
  `cc-${TRACE}-${SPAN}-01.more`,
])('rejects %j', (text) => {
  expect(parseTraceparent(text)).toBeUndefined();
  expect(traceIdOf(text)).toBeUndefined();
  expect(siblingTraceparent(text, SPAN)).toBeUndefined();
});

it('formats the traceparent of an id created in advance from any span of the trace', () => {
  const [id, other] = [newSpanId(), newSpanId()];
  expect(id).toMatch(/^[0-9a-f]{16}$/);
  expect(id).not.toBe(other);
  expect(siblingTraceparent(`00-${TRACE}-${SPAN}-01`, id)).toBe(`00-${TRACE}-${id}-01`);
  expect(traceIdOf(`00-${TRACE}-${SPAN}-01`)).toBe(TRACE);
});

it('returns undefined outside of a span', () => expect(currentTraceparent()).toBeUndefined());
