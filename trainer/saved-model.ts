import * as fs from 'node:fs';
import * as path from 'node:path';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { writing } from '../foundation/disk';
import type { Attribute, ElementType, Node } from './ops';

/** Values of `DataType` in TensorFlow's `types.proto`. */
const DATA_TYPE: Record<ElementType, number> = { float32: 1, int32: 3, resource: 20, complex64: 8 };

/** Tag of the only graph in the file. */
export const TAG = 'serve';

/** Name of the file in a SavedModel's folder. */
export const SAVED_MODEL = 'saved_model.pb';

/**
 * Writes a graph as a SavedModel, the only format of a graph that tfjs-node loads: a folder with
 * `saved_model.pb`. The file contains ops and small constants; weights are assigned after loading.
 */
export function writeSavedModel(folder: string, nodes: readonly Node[]): void {
  const file = path.join(folder, SAVED_MODEL);
  const bytes = savedModel(nodes);
  writing(file, () => fs.writeFileSync(file, bytes));
}

/** Content of a message, written field by field. */
type Content = (writer: BinaryWriter) => void;

/** Writes a field that is a message. Field numbers are those of TensorFlow's .proto files. */
function message(writer: BinaryWriter, field: number, content: Content): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  content(writer);
  writer.join();
}

const text = (writer: BinaryWriter, field: number, value: string) =>
  writer.tag(field, WireType.LengthDelimited).string(value);
const number = (writer: BinaryWriter, field: number, value: number) => writer.tag(field, WireType.Varint).int64(value);

/** Encodes `SavedModel` of `saved_model.proto`. */
function savedModel(nodes: readonly Node[]): Uint8Array {
  const writer = new BinaryWriter();
  number(writer, 1, 1); // saved_model_schema_version
  // meta_graphs
  message(writer, 2, (meta) => {
    message(meta, 1, (info) => text(info, 4, TAG)); // meta_info_def.tags
    // graph_def
    message(meta, 2, (graph) => {
      for (const node of nodes) message(graph, 1, nodeDef(node));
    });
  });
  return writer.finish();
}

/** `NodeDef` of `node_def.proto`. */
const nodeDef =
  ({ name, op, inputs, attributes }: Node): Content =>
  (node) => {
    text(node, 1, name);
    text(node, 2, op);
    for (const input of inputs) text(node, 3, input);
    for (const [key, attribute] of Object.entries(attributes)) {
      // attr, an entry of a map
      message(node, 5, (entry) => {
        text(entry, 1, key);
        message(entry, 2, attrValue(attribute));
      });
    }
  };

/** `AttrValue` of `attr_value.proto`. */
const attrValue =
  (attribute: Attribute): Content =>
  (value) => {
    if ('type' in attribute) number(value, 6, DATA_TYPE[attribute.type]);
    else if ('flag' in attribute) value.tag(5, WireType.Varint).bool(attribute.flag);
    else if ('int' in attribute) number(value, 3, attribute.int);
    else if ('text' in attribute) text(value, 2, attribute.text);
    else if ('shape' in attribute) message(value, 7, tensorShape(attribute.shape));
    else message(value, 8, tensorProto(attribute));
  };

/** `TensorProto` of `tensor.proto`. */
const tensorProto =
  ({ values, dims }: Extract<Attribute, { values: unknown }>): Content =>
  (tensor) => {
    number(tensor, 1, DATA_TYPE[values instanceof Float32Array ? 'float32' : 'int32']); // dtype
    message(tensor, 2, tensorShape(dims));
    const content = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    tensor.tag(4, WireType.LengthDelimited).bytes(content); // tensor_content
  };

/** `TensorShapeProto` of `tensor_shape.proto`. */
const tensorShape =
  (sizes: readonly (number | null)[]): Content =>
  (shape) => {
    for (const size of sizes) message(shape, 2, (dim) => number(dim, 1, size ?? -1)); // dim.size
  };
