import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { onnx } from 'onnx-proto';
import * as ort from 'onnxruntime-node';
import { openCheckpoint } from '../../model/checkpoint';
import { type ModelConfig, readModelConfig } from '../../model/config';
import { analysisModel, headOutputs, hiddenStatesModel, TOKEN_SIDE } from '../../model/graph';
import type { GraphSource } from '../../model/graph-source';
import { OnnxGraph, writeWeights } from '../../model/onnx';
import { PACKING } from '../../model/onnx-inputs';

const golden: {
  names: string[];
  ids: number[][];
  types: number[][];
  mask: number[][];
  cases: { activation: string; hidden: number[][][][] }[];
  sizes: Record<string, number>;
} = JSON.parse(fs.readFileSync(path.join(__dirname, 'graph.golden.json'), 'utf8'));

const { sizes } = golden;
const d = sizes.hidden_size;
const config: ModelConfig = {
  ...readModelConfig(path.join(__dirname, '../fixtures/tiny-bert')),
  layers: sizes.num_hidden_layers,
  heads: sizes.num_attention_heads,
  headDim: d / sizes.num_attention_heads,
  hiddenSize: d,
  intermediateSize: sizes.intermediate_size,
  vocabSize: sizes.vocab_size,
  embeddingSize: sizes.hidden_size,
  positionRows: sizes.max_position_embeddings,
  firstPosition: 0,
  maxPositions: sizes.max_position_embeddings,
  typeVocabSize: sizes.type_vocab_size,
  layerNormEps: sizes.layer_norm_eps,
};

/** The weights of make_graph_golden.py. */
function tensor(name: string): Float32Array {
  const t = golden.names.indexOf(name);
  if (t < 0) throw new Error(`no tensor ${name}`);
  const base = name.endsWith('LayerNorm.weight') ? 1 : 0;
  return Float32Array.from({ length: sizeOf(name) }, (_, i) => Math.sin(i * 0.37 + t) * 0.7 + base);
}

function sizeOf(name: string): number {
  const { vocabSize, maxPositions, typeVocabSize, intermediateSize } = config;
  if (name.includes('LayerNorm')) return d;
  if (name.includes('word_emb')) return vocabSize * d;
  if (name.includes('position_emb')) return maxPositions * d;
  if (name.includes('token_type')) return typeVocabSize * d;
  const inner = name.includes('intermediate');
  if (name.endsWith('bias')) return inner ? intermediateSize : d;
  return inner || /layer\.\d\.output\.dense/.test(name) ? intermediateSize * d : d * d;
}

const source = (change: Partial<ModelConfig> = {}): GraphSource => ({ config: { ...config, ...change }, tensor });

function feeds(ids: number[][], types: number[][], mask: number[][]): Record<string, ort.Tensor> {
  const shape = [ids.length, ids[0].length];
  const real = mask.flat().flatMap((one, at) => (one === 0 ? [] : [at]));
  const matrix = (rows: number[][]) => new ort.Tensor('int64', BigInt64Array.from(rows.flat(), BigInt), shape);
  return {
    input_ids: matrix(ids),
    token_type_ids: matrix(types),
    position_ids: matrix(ids.map((row) => row.map((_, position) => position))),
    attention_mask: matrix(mask),
    [PACKING.tokens]: new ort.Tensor('int64', BigInt64Array.from(real, BigInt), [real.length]),
    [PACKING.places]: matrix(ids.map((row, b) => row.map((_, s) => Math.max(0, real.indexOf(b * row.length + s))))),
  };
}

async function run(model: Uint8Array, inputs: Record<string, ort.Tensor>): Promise<Record<string, ort.Tensor>> {
  const session = await ort.InferenceSession.create(model, { intraOpNumThreads: 1 });
  try {
    return (await session.run(inputs)) as Record<string, ort.Tensor>;
  } finally {
    await session.release();
  }
}

const floats = (outputs: Record<string, ort.Tensor>, name: string) => outputs[name].data as Float32Array | Float64Array;
const inputs = () => feeds(golden.ids, golden.types, golden.mask);
const [B, S] = [golden.ids.length, golden.ids[0].length];

describe('hiddenStatesModel', () => {
  it.each(golden.cases)("gives transformers' hidden states with $activation", async ({ activation, hidden }) => {
    const raw = { ...config.raw, hidden_act: activation };
    const folder = fs.mkdtempSync(path.join(fs.realpathSync(process.env.TMPDIR ?? '/tmp'), 'graph-'));
    fs.writeFileSync(path.join(folder, 'config.json'), JSON.stringify(raw));
    const outputs = await run(hiddenStatesModel(source({ activation: readModelConfig(folder).activation })), inputs());
    fs.rmSync(folder, { recursive: true });
    expect(Object.keys(outputs)).toEqual(['hidden_0', 'hidden_1', 'hidden_2']);
    for (const [layer, wanted] of hidden.entries()) {
      const found = floats(outputs, `hidden_${layer}`);
      for (let b = 0; b < B; b++) {
        for (let s = 0; s < S; s++) {
          if (golden.mask[b][s] === 0) continue;
          for (let i = 0; i < d; i++) {
            expect(Math.abs(found[(b * S + s) * d + i] - wanted[b][s][i])).toBeLessThan(2e-5);
          }
        }
      }
    }
  });
});

describe('analysisModel', () => {
  const { layers, heads, headDim } = config;
  const withSide = (side: boolean) => ({ ...inputs(), [TOKEN_SIDE]: new ort.Tensor('bool', [side], []) });

  it('gives the Gram matrix of either side and the token sum of the head outputs', async () => {
    const context = await run(analysisModel(source(), 'context'), inputs());
    const model = analysisModel(source(), 'gram');
    const byFeature = await run(model, withSide(false));
    const byToken = await run(model, withSide(true));
    for (let layer = 0; layer < layers; layer++) {
      const names = headOutputs(layer);
      const o = floats(context, names.context);
      const at = (b: number, s: number, h: number, i: number) => o[((b * S + s) * heads + h) * headDim + i];
      expect(byFeature[names.gram].dims).toEqual([B, heads, headDim, headDim]);
      expect(byToken[names.gram].dims).toEqual([B, heads, S, S]);
      const sum = (length: number, term: (k: number) => number) =>
        Array.from({ length }, (_, k) => term(k)).reduce((a, b) => a + b);
      for (let b = 0; b < B; b++) {
        for (let h = 0; h < heads; h++) {
          const from = b * heads + h;
          for (let i = 0; i < headDim; i++) {
            const tokenSum = sum(S, (s) => at(b, s, h, i));
            expect(floats(byFeature, names.tokenSum)[from * headDim + i]).toBeCloseTo(tokenSum, 12);
            expect(floats(byToken, names.tokenSum)[from * headDim + i]).toBeCloseTo(tokenSum, 12);
            for (let j = 0; j < headDim; j++) {
              const entry = sum(S, (s) => at(b, s, h, i) * at(b, s, h, j));
              expect(floats(byFeature, names.gram)[(from * headDim + i) * headDim + j]).toBeCloseTo(entry, 12);
            }
          }
          for (let s = 0; s < S; s++) {
            for (let u = 0; u < S; u++) {
              const entry = sum(headDim, (i) => at(b, s, h, i) * at(b, u, h, i));
              expect(floats(byToken, names.gram)[(from * S + s) * S + u]).toBeCloseTo(entry, 12);
            }
          }
        }
      }
    }
  });

  it('puts nothing of the padding into a row: zeros where padded, the same numbers as alone', async () => {
    const model = analysisModel(source(), 'context');
    const padded = await run(model, inputs());
    const alone = await run(model, feeds([golden.ids[1].slice(0, 3)], [[0, 0, 0]], [[1, 1, 1]]));
    const real = 3 * heads * headDim;
    for (let layer = 0; layer < layers; layer++) {
      const { context } = headOutputs(layer);
      const row = floats(padded, context).slice(S * heads * headDim);
      const wanted = floats(alone, context);
      expect(wanted).toHaveLength(real);
      for (let i = 0; i < real; i++) expect(row[i]).toBeCloseTo(wanted[i], 6);
      expect(row.slice(real).every((value) => value === 0)).toBe(true);
    }
  });

  it('ends at the last layer’s heads: without its projection and feed-forward', () => {
    const asked: string[] = [];
    const recording: GraphSource = {
      config,
      tensor(name) {
        asked.push(name);
        return tensor(name);
      },
    };
    analysisModel(recording, 'gram');
    const last = asked.filter((name) => name.startsWith('encoder.layer.1.'));
    expect(last).toHaveLength(6);
    expect(last.every((name) => name.includes('attention.self.'))).toBe(true);
    expect(asked.filter((name) => name.startsWith('encoder.layer.0.'))).toHaveLength(16);
  });
});

describe('writeWeights', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hifi-weights-file-'));
  afterAll(() => fs.rmSync(folder, { recursive: true }));

  it('leaves the numbers as they are, and needs the file no longer than the engine loads', async () => {
    const checkpoint = await openCheckpoint(path.join(__dirname, '../fixtures/tiny-bert'));
    const inside = analysisModel(checkpoint, 'context');
    const outside = writeWeights(folder, (weights) => analysisModel(checkpoint, 'context', weights));
    checkpoint.close();
    const external = new Map<string, Record<string, string>>();
    for (const { name, rawData, externalData } of onnx.ModelProto.decode(outside).graph!.initializer!) {
      expect(rawData!.length).toBeLessThan(1024);
      if (externalData!.length === 0) continue;
      external.set(name!, Object.fromEntries(externalData!.map(({ key, value }) => [key, value])));
    }
    const words = { location: 'weights', offset: '0', length: String(300 * 45 * 4) };
    expect(external.get('embeddings.word_embeddings.weight')).toEqual(words);
    expect(external.size).toBeGreaterThan(9);
    for (const { offset } of external.values()) expect(Number(offset) % 4096).toBe(0);

    const session = await ort.InferenceSession.create(outside, {
      intraOpNumThreads: 1,
      extra: { session: { model_external_initializers_file_folder_path: folder } },
    });
    fs.rmSync(path.join(folder, 'weights'));
    const found = await session.run(inputs());
    await session.release();
    const wanted = await run(inside, inputs());
    for (const name of Object.keys(wanted)) expect(found[name].data).toEqual(wanted[name].data);
  });

  it('says where there is no room', () => {
    const full = () => {
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    };
    expect(() => writeWeights(folder, full)).toThrow(
      `${folder}: no room for the model's weights; set TMPDIR to a folder with more room`,
    );
  });
});

describe('OnnxGraph', () => {
  it('refuses weights of 2 GB', () => {
    const graph = new OnnxGraph('large');
    const quarter = new Float32Array(2 ** 27); // 512 MB, never touched
    for (let i = 0; i < 4; i++) graph.constant('float32', [2 ** 27], quarter);
    expect(() => graph.toModel()).toThrow(
      "the model's graph needs 2.00 GB of weights; at most 2 GB fit one ONNX graph",
    );
  });
});

describe('a graph', () => {
  const models: [string, () => Uint8Array][] = [1, 2].flatMap((layers) => [
    [`context of ${layers}`, () => analysisModel(source({ layers }), 'context')] as [string, () => Uint8Array],
    [`gram of ${layers}`, () => analysisModel(source({ layers }), 'gram')] as [string, () => Uint8Array],
    [`hidden states of ${layers}`, () => hiddenStatesModel(source({ layers }))] as [string, () => Uint8Array],
  ]);

  it.each(models)('has no constant that nothing reads: %s', (_, make) => {
    const { graph } = onnx.ModelProto.decode(make());
    const read = new Set<string>();
    const look = (at: onnx.IGraphProto) => {
      for (const node of at.node ?? []) {
        for (const name of node.input ?? []) read.add(name);
        for (const { g } of node.attribute ?? []) if (g) look(g);
      }
    };
    look(graph!);
    expect(graph!.initializer!.map(({ name }) => name).filter((name) => !read.has(name!))).toEqual([]);
  });
});
