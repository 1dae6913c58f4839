import * as fs from 'node:fs';
import * as path from 'node:path';
import { Ops } from '../../trainer/ops';
import { writeSavedModel } from '../../trainer/saved-model';
import { temporaryFolder } from '../support/deltas';

/** Messages of TensorFlow, by protobuf's own implementation. */
const { SavedModel } = require('@tensorflow/tfjs-node/dist/proto/api_pb');

it('a graph is read back by another implementation of protobuf, each attribute as it was', () => {
  const folder = temporaryFolder('saved-model');
  const ops = new Ops();
  const x = ops.input('x', 'float32', [null, 3]);
  ops.variable('weight', [2, 300], () => new Float32Array(600));
  ops.transpose(ops.matMul(x, ops.vector([0.5, -1, 1e-30]), { b: true }), [1, 0]);
  ops.gather(x, ops.integers([-1, 2 ** 31 - 1]));
  ops.done(ops.scalar(Number.NaN));
  ops.integers([]);
  writeSavedModel(folder, ops.nodes);
  const model = SavedModel.deserializeBinary(new Uint8Array(fs.readFileSync(path.join(folder, 'saved_model.pb'))));
  fs.rmSync(folder, { recursive: true });

  const [meta] = model.getMetaGraphsList();
  expect([model.getSavedModelSchemaVersion(), meta.getMetaInfoDef().getTagsList()]).toEqual([1, ['serve']]);
  const types: Record<number, string> = { 1: 'float32', 3: 'int32', 8: 'complex64', 20: 'resource' };
  // biome-ignore lint/suspicious/noExplicitAny: generated code without types
  const sizes = (shape: any) => shape.getDimList().map((dim: any) => (dim.getSize() < 0 ? null : dim.getSize()));
  // biome-ignore lint/suspicious/noExplicitAny: generated code without types
  const attribute = (value: any) => {
    if (value.hasType()) return { type: types[value.getType()] };
    if (value.hasB()) return { flag: value.getB() };
    if (value.hasI()) return { int: value.getI() };
    if (value.hasS()) return { text: Buffer.from(value.getS_asU8()).toString() };
    if (value.hasShape()) return { shape: sizes(value.getShape()) };
    const tensor = value.getTensor();
    const { buffer } = Uint8Array.from(tensor.getTensorContent_asU8());
    const values = types[tensor.getDtype()] === 'int32' ? new Int32Array(buffer) : new Float32Array(buffer);
    return { values, dims: sizes(tensor.getTensorShape()) };
  };
  const nodes = meta
    .getGraphDef()
    .getNodeList()
    // biome-ignore lint/suspicious/noExplicitAny: generated code without types
    .map((node: any) => ({
      name: node.getName(),
      op: node.getOp(),
      inputs: node.getInputList(),
      attributes: Object.fromEntries(
        node
          .getAttrMap()
          .toArray()
          // biome-ignore lint/suspicious/noExplicitAny: generated code without types
          .map(([key]: [string]) => [key, attribute(node.getAttrMap().get(key))] as any),
      ),
    }));
  expect(nodes).toEqual(ops.nodes);
});
