import * as fs from 'node:fs';
import * as path from 'node:path';
import { writing } from '../foundation/disk';
import type { Attribute, ElementType, Node } from './ops';

/** Message of TensorFlow from the generated code in tfjs-node, which has no types for it. */
// biome-ignore lint/suspicious/noExplicitAny: generated code without types
type Message = any;

/** Values of `DataType` in TensorFlow's `types.proto`. */
const DATA_TYPE: Record<ElementType, number> = { float32: 1, int32: 3, resource: 20, complex64: 8 };

/** Tag of the only graph in the file. */
export const TAG = 'serve';

/**
 * Writes a graph as a SavedModel, the only format of a graph that tfjs-node loads: a folder with
 * `saved_model.pb`. The file contains ops and small constants; weights are assigned after loading.
 */
export function writeSavedModel(folder: string, nodes: readonly Node[]): void {
  const tensorflow: Message = require('@tensorflow/tfjs-node/dist/proto/api_pb');
  const graph = new tensorflow.GraphDef();
  for (const node of nodes) graph.addNode(nodeDef(tensorflow, node));
  const meta = new tensorflow.MetaGraphDef();
  const info = new tensorflow.MetaGraphDef.MetaInfoDef();
  info.addTags(TAG);
  meta.setMetaInfoDef(info);
  meta.setGraphDef(graph);
  const model = new tensorflow.SavedModel();
  model.setSavedModelSchemaVersion(1);
  model.addMetaGraphs(meta);
  const file = path.join(folder, 'saved_model.pb');
  writing(file, () => fs.writeFileSync(file, model.serializeBinary()));
}

function nodeDef(tensorflow: Message, { name, op, inputs, attributes }: Node): Message {
  const def = new tensorflow.NodeDef();
  def.setName(name);
  def.setOp(op);
  def.setInputList(inputs);
  for (const [key, attribute] of Object.entries(attributes))
    def.getAttrMap().set(key, attrValue(tensorflow, attribute));
  return def;
}

function attrValue(tensorflow: Message, attribute: Attribute): Message {
  const value = new tensorflow.AttrValue();
  if ('type' in attribute) value.setType(DATA_TYPE[attribute.type]);
  else if ('flag' in attribute) value.setB(attribute.flag);
  else if ('int' in attribute) value.setI(attribute.int);
  else if ('text' in attribute) value.setS(new TextEncoder().encode(attribute.text));
  else if ('shape' in attribute) value.setShape(tensorShape(tensorflow, attribute.shape));
  else {
    const { values, dims } = attribute;
    const tensor = new tensorflow.Tensor();
    tensor.setDtype(DATA_TYPE[values instanceof Float32Array ? 'float32' : 'int32']);
    tensor.setTensorShape(tensorShape(tensorflow, dims));
    tensor.setTensorContent(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    value.setTensor(tensor);
  }
  return value;
}

function tensorShape(tensorflow: Message, sizes: readonly (number | null)[]): Message {
  const shape = new tensorflow.TensorShape();
  for (const size of sizes) {
    const dim = new tensorflow.TensorShape.Dim();
    dim.setSize(size ?? -1);
    shape.addDim(dim);
  }
  return shape;
}
