import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

/*
 * OTLP's messages in protobuf, read into their JSON form, with the fields that tests look at.
 * Numbers and types are those of https://github.com/open-telemetry/opentelemetry-proto.
 */

type Scalar = 'string' | 'hex' | 'int' | 'int64' | 'fixed64' | 'double' | 'bool';
/** Field: its name, its type, and `many` if it is repeated. */
type Field = [name: string, type: Scalar | (() => Schema), many?: 'many'];
type Schema = Record<number, Field>;

const VALUE: Schema = {
  1: ['stringValue', 'string'],
  2: ['boolValue', 'bool'],
  3: ['intValue', 'int64'],
  4: ['doubleValue', 'double'],
  5: ['arrayValue', () => ({ 1: ['values', () => VALUE, 'many'] })],
  6: ['kvlistValue', () => ({ 1: ['values', () => ATTRIBUTE, 'many'] })],
};
const ATTRIBUTE: Schema = { 1: ['key', 'string'], 2: ['value', () => VALUE] };
const RESOURCE: Schema = { 1: ['attributes', () => ATTRIBUTE, 'many'] };

const EVENT: Schema = {
  1: ['timeUnixNano', 'fixed64'],
  2: ['name', 'string'],
  3: ['attributes', () => ATTRIBUTE, 'many'],
};
const LINK: Schema = { 1: ['traceId', 'hex'], 2: ['spanId', 'hex'], 4: ['attributes', () => ATTRIBUTE, 'many'] };
const SPAN: Schema = {
  1: ['traceId', 'hex'],
  2: ['spanId', 'hex'],
  4: ['parentSpanId', 'hex'],
  5: ['name', 'string'],
  6: ['kind', 'int'],
  7: ['startTimeUnixNano', 'fixed64'],
  8: ['endTimeUnixNano', 'fixed64'],
  9: ['attributes', () => ATTRIBUTE, 'many'],
  11: ['events', () => EVENT, 'many'],
  13: ['links', () => LINK, 'many'],
  15: ['status', () => ({ 2: ['message', 'string'], 3: ['code', 'int'] })],
};

const NUMBER_POINT: Schema = {
  4: ['asDouble', 'double'],
  6: ['asInt', 'fixed64'],
  7: ['attributes', () => ATTRIBUTE, 'many'],
};
const HISTOGRAM_POINT: Schema = {
  4: ['count', 'fixed64'],
  5: ['sum', 'double'],
  6: ['bucketCounts', 'fixed64', 'many'],
  7: ['explicitBounds', 'double', 'many'],
  9: ['attributes', () => ATTRIBUTE, 'many'],
};
const METRIC: Schema = {
  1: ['name', 'string'],
  2: ['description', 'string'],
  3: ['unit', 'string'],
  5: ['gauge', () => ({ 1: ['dataPoints', () => NUMBER_POINT, 'many'] })],
  7: ['sum', () => ({ 1: ['dataPoints', () => NUMBER_POINT, 'many'] })],
  9: ['histogram', () => ({ 1: ['dataPoints', () => HISTOGRAM_POINT, 'many'] })],
};

const LOG: Schema = {
  1: ['timeUnixNano', 'fixed64'],
  2: ['severityNumber', 'int'],
  3: ['severityText', 'string'],
  5: ['body', () => VALUE],
  6: ['attributes', () => ATTRIBUTE, 'many'],
  9: ['traceId', 'hex'],
  10: ['spanId', 'hex'],
};

/** A request's schema: resources, each with scopes, each with items. */
const request = (signal: string, items: string, item: Schema): Schema => ({
  1: [
    `resource${signal}`,
    () => ({
      1: ['resource', () => RESOURCE],
      2: [`scope${signal}`, () => ({ 2: [items, () => item, 'many'] }), 'many'],
    }),
    'many',
  ],
});

const REQUESTS = {
  traces: request('Spans', 'spans', SPAN),
  metrics: request('Metrics', 'metrics', METRIC),
  logs: request('Logs', 'logRecords', LOG),
};

/** Reads an export request in protobuf. @returns its JSON form */
export const readRequest = (signal: keyof typeof REQUESTS, bytes: Uint8Array): object =>
  read(new BinaryReader(bytes), bytes.length, REQUESTS[signal]);

function read(reader: BinaryReader, end: number, schema: Schema): object {
  const message: Record<string, unknown> = {};
  while (reader.pos < end) {
    const [number, wireType] = reader.tag();
    const field = schema[number];
    if (field === undefined) {
      reader.skip(wireType, number);
      continue;
    }
    const [name, type, many] = field;
    if (!many) {
      message[name] = one(reader, type);
      continue;
    }
    message[name] ??= [];
    const list = message[name] as unknown[];
    const packed = wireType === WireType.LengthDelimited && typeof type === 'string' && type !== 'string';
    const until = packed ? reader.uint32() + reader.pos : reader.pos + 1;
    while (reader.pos < until) list.push(one(reader, type));
  }
  return message;
}

function one(reader: BinaryReader, type: Field[1]): unknown {
  if (typeof type === 'function') {
    const length = reader.uint32();
    return read(reader, reader.pos + length, type());
  }
  switch (type) {
    case 'hex':
      return Buffer.from(reader.bytes()).toString('hex');
    case 'int':
      return reader.int32();
    case 'int64':
      return String(reader.int64());
    case 'fixed64':
      return String(reader.fixed64());
    default:
      return reader[type]();
  }
}
