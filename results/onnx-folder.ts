import * as fs from 'node:fs';
import * as path from 'node:path';

/** Where the model lies in its folder, as transformers.js looks for it. */
export const ONNX_MODEL = path.join('onnx', 'model.onnx');

/** Whether a folder holds an exported ONNX model, and no checkpoint that the trainer would read. */
export const isOnnxFolder = (folder: string) =>
  fs.existsSync(path.join(folder, ONNX_MODEL)) && !fs.existsSync(path.join(folder, 'model.safetensors'));
