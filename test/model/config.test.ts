import * as fs from 'node:fs';
import * as path from 'node:path';
import { runLayers } from '../../model/architectures';
import { type ModelConfig, readModelConfig } from '../../model/config';
import type { Operations } from '../../model/operations';
import { put, refusal, root } from './config-folder';

/** Published config.json of MiniLM-L6. */
const MINILM = {
  _name_or_path: 'nreimers/MiniLM-L6-H384-uncased',
  architectures: ['BertModel'],
  attention_probs_dropout_prob: 0.1,
  gradient_checkpointing: false,
  hidden_act: 'gelu',
  hidden_dropout_prob: 0.2,
  hidden_size: 384,
  initializer_range: 0.02,
  intermediate_size: 1536,
  layer_norm_eps: 1e-12,
  max_position_embeddings: 512,
  model_type: 'bert',
  num_attention_heads: 12,
  num_hidden_layers: 6,
  pad_token_id: 0,
  position_embedding_type: 'absolute',
  type_vocab_size: 2,
  use_cache: true,
  vocab_size: 30522,
};

const read = (change: object = {}) => readModelConfig(put(JSON.stringify({ ...MINILM, ...change })));

test('a config with all its fields', () => {
  expect(read()).toEqual({
    architecture: 'bert',
    layers: 6,
    heads: 12,
    keyValueHeads: 12,
    headDim: 32,
    hiddenSize: 384,
    intermediateSize: 1536,
    vocabSize: 30522,
    embeddingSize: 384,
    positionRows: 512,
    firstPosition: 0,
    maxPositions: 512,
    typeVocabSize: 2,
    activation: 'gelu',
    layerNormEps: 1e-12,
    hiddenDropout: 0.2,
    attentionDropout: 0.1,
    classifierDropout: 0.2,
    initializerRange: 0.02,
    padTokenId: 0,
    raw: MINILM,
  });
});

test('fields that an old config lacks have the defaults of its class', () => {
  const { architectures, hidden_size, num_attention_heads, num_hidden_layers, intermediate_size, vocab_size } = MINILM;
  const sizes = { hidden_size, num_attention_heads, num_hidden_layers, intermediate_size, vocab_size };
  expect(readModelConfig(put(JSON.stringify({ architectures, ...sizes })))).toMatchObject({
    architecture: 'bert',
    maxPositions: 512,
    typeVocabSize: 2,
    activation: 'gelu',
    layerNormEps: 1e-12,
    hiddenDropout: 0.1,
    attentionDropout: 0.1,
    classifierDropout: 0.1,
    initializerRange: 0.02,
    padTokenId: 0,
  });
});

/** Published config.json without the fields that hifi does not read. */
const PUBLISHED: Record<string, object> = {
  'roberta-base': {
    model_type: 'roberta',
    attention_probs_dropout_prob: 0.1,
    hidden_act: 'gelu',
    hidden_dropout_prob: 0.1,
    hidden_size: 768,
    initializer_range: 0.02,
    intermediate_size: 3072,
    layer_norm_eps: 1e-5,
    max_position_embeddings: 514,
    num_attention_heads: 12,
    num_hidden_layers: 12,
    pad_token_id: 1,
    type_vocab_size: 1,
    vocab_size: 50265,
  },
  'distilbert-base-uncased': {
    model_type: 'distilbert',
    activation: 'gelu',
    attention_dropout: 0.1,
    dim: 768,
    dropout: 0.1,
    hidden_dim: 3072,
    initializer_range: 0.02,
    max_position_embeddings: 512,
    n_heads: 12,
    n_layers: 6,
    pad_token_id: 0,
    qa_dropout: 0.1,
    seq_classif_dropout: 0.2,
    sinusoidal_pos_embds: false,
    tie_weights_: true,
    vocab_size: 30522,
  },
  'electra-small-discriminator': {
    model_type: 'electra',
    attention_probs_dropout_prob: 0.1,
    embedding_size: 128,
    hidden_act: 'gelu',
    hidden_dropout_prob: 0.1,
    hidden_size: 256,
    intermediate_size: 1024,
    layer_norm_eps: 1e-12,
    max_position_embeddings: 512,
    num_attention_heads: 4,
    num_hidden_layers: 12,
    type_vocab_size: 2,
    vocab_size: 30522,
  },
};
PUBLISHED['ModernBERT-base'] = {
  model_type: 'modernbert',
  attention_bias: false,
  attention_dropout: 0.0,
  classifier_activation: 'gelu',
  classifier_bias: false,
  classifier_dropout: 0.0,
  classifier_pooling: 'mean',
  decoder_bias: true,
  embedding_dropout: 0.0,
  global_attn_every_n_layers: 3,
  global_rope_theta: 160000.0,
  hidden_activation: 'gelu',
  hidden_size: 768,
  initializer_range: 0.02,
  intermediate_size: 1152,
  layer_norm_eps: 1e-5,
  local_attention: 128,
  local_rope_theta: 10000.0,
  max_position_embeddings: 8192,
  mlp_bias: false,
  mlp_dropout: 0.0,
  norm_bias: false,
  norm_eps: 1e-5,
  num_attention_heads: 12,
  num_hidden_layers: 22,
  pad_token_id: 50283,
  position_embedding_type: 'absolute',
  vocab_size: 50368,
};
PUBLISHED['xlm-roberta-base'] = { ...PUBLISHED['roberta-base'], model_type: 'xlm-roberta', vocab_size: 250002 };
const published = (name: string, change: object = {}) =>
  readModelConfig(put(JSON.stringify({ ...PUBLISHED[name], ...change })));

const kinds = Array(22).fill('full_attention');
test.each<[Record<string, unknown>, string]>([
  [{ classifier_pooling: 'max' }, 'classifier_pooling is "max"; it must be "cls" or "mean"'],
  [{ local_attention: 1 }, 'local_attention is 1; it must be an integer from 2'],
  [{ layer_types: [...kinds, 'full_attention'] }, 'it must be a list of num_hidden_layers (22) kinds'],
  [
    { layer_types: [...kinds.slice(1), 'chunked_attention'] },
    'layer_types.21 is "chunked_attention"; it must be "full_attention" or "sliding_attention"',
  ],
  [
    { rope_parameters: { full_attention: { rope_type: 'yarn', rope_theta: 1e4 } } },
    'rope_parameters.full_attention.rope_type is "yarn"; it must be "default": no other scaling of positions is supported',
  ],
  [{ rope_scaling: { type: 'linear' } }, 'it must be null: no scaling of positions is supported'],
  [{ attention_bias: 'yes' }, 'attention_bias is "yes"; it must be true or false'],
  [{ hidden_size: 12 * 63 }, 'hidden_size is 756; it must be an even multiple of num_attention_heads (12)'],
])('the config of ModernBERT-base with %j is refused', (change, message) => {
  expect(() => published('ModernBERT-base', change)).toThrow(message);
});

PUBLISHED['deberta-v3-base'] = {
  model_type: 'deberta-v2',
  attention_probs_dropout_prob: 0.1,
  hidden_act: 'gelu',
  hidden_dropout_prob: 0.1,
  hidden_size: 768,
  initializer_range: 0.02,
  intermediate_size: 3072,
  layer_norm_eps: 1e-7,
  max_position_embeddings: 512,
  max_relative_positions: -1,
  norm_rel_ebd: 'layer_norm',
  num_attention_heads: 12,
  num_hidden_layers: 12,
  pos_att_type: 'p2c|c2p',
  position_biased_input: false,
  position_buckets: 256,
  relative_attention: true,
  share_att_key: true,
  type_vocab_size: 0,
  vocab_size: 128100,
};
test.each<[object, string]>([
  [{ conv_groups: 2, conv_kernel_size: 3 }, 'conv_groups is 2; it must be 1: grouped convolutions are not supported'],
  [{ conv_kernel_size: 4 }, 'conv_kernel_size is 4; it must be odd, or 0'],
  [{ conv_kernel_size: 3, num_hidden_layers: 1 }, 'conv_kernel_size is 3; it must be 0 in a model of one layer'],
  [{ conv_act: 'swish' }, 'conv_act is "swish"; it must be one of gelu, gelu_new, relu, silu, tanh'],
  [{ position_buckets: 1 }, 'position_buckets is 1; it must be an integer other than 1'],
  [{ pos_att_type: 3 }, 'pos_att_type is 3; it must be a list of "c2p" and "p2c"'],
  [{ attention_head_size: 32 }, 'attention_head_size is 32; it must be 64'],
  [{ pooler_hidden_size: 384 }, 'pooler_hidden_size is 384; it must be 768'],
  [{ pooler_dropout: 1 }, 'pooler_dropout is 1; it must be a rate below 1'],
  [{ relative_attention: 'yes' }, 'relative_attention is "yes"; it must be true or false'],
])('the config of DeBERTa-v3-base with %j is refused', (change, message) => {
  expect(() => published('deberta-v3-base', change)).toThrow(`config.json: ${message}`);
});

test('ModernBERT has the same layers in both forms of config.json', () => {
  /** Operations of the layers with their arguments: frequencies, windows, modules. */
  const operations = (config: ModelConfig) => {
    const calls: unknown[] = [];
    const recorded =
      (operation: string | symbol) =>
      (...values: unknown[]) => {
        calls.push([operation, values.filter((value) => value !== null)]);
        return operation === 'linearTogether' ? (values[1] as unknown[]).map(() => null) : null;
      };
    const net = new Proxy({} as Operations<null>, { get: (_, operation) => recorded(operation) });
    runLayers(net, config, 'first', null, 0, config.layers);
    return JSON.stringify(calls);
  };
  const kindOf = (layer: number) => (layer % 3 === 0 ? 'full_attention' : 'sliding_attention');
  const [global_attn_every_n_layers, global_rope_theta, local_rope_theta] = [undefined, undefined, undefined];
  const inForm5 = (global: number) => ({
    ...{ global_attn_every_n_layers, global_rope_theta, local_rope_theta },
    layer_types: Array.from({ length: 22 }, (_, layer) => kindOf(layer)),
    rope_parameters: {
      full_attention: { rope_type: 'default', rope_theta: global },
      sliding_attention: { rope_type: 'default', rope_theta: 10_000 },
    },
  });
  const before = operations(published('ModernBERT-base'));
  expect(operations(published('ModernBERT-base', inForm5(160_000)))).toBe(before);
  expect(operations(published('ModernBERT-base', inForm5(10_000)))).not.toBe(before);
});

test.each([
  ['roberta-base', { architecture: 'roberta', firstPosition: 2, maxPositions: 512, padTokenId: 1, typeVocabSize: 1 }],
  ['xlm-roberta-base', { architecture: 'xlm-roberta', firstPosition: 2, maxPositions: 512, positionRows: 514 }],
  [
    'distilbert-base-uncased',
    { layers: 6, heads: 12, headDim: 64, intermediateSize: 3072, typeVocabSize: 0, classifierDropout: 0.2 },
  ],
  [
    'ModernBERT-base',
    {
      layers: 22,
      heads: 12,
      maxPositions: 8192,
      layerNormEps: 1e-5,
      hiddenDropout: 0,
      classifierDropout: 0,
      typeVocabSize: 0,
    },
  ],
  ['electra-small-discriminator', { embeddingSize: 128, hiddenSize: 256, firstPosition: 0, classifierDropout: 0.1 }],
])('the config of %s', (name, wanted) => {
  expect(published(name)).toMatchObject(wanted);
});

test('fields that a family lacks have the defaults of its own class', () => {
  expect(published('roberta-base', { pad_token_id: undefined }).firstPosition).toBe(2);
  expect(published('electra-small-discriminator', { embedding_size: undefined }).embeddingSize).toBe(128);
  expect(published('distilbert-base-uncased', { seq_classif_dropout: undefined }).classifierDropout).toBe(0.2);
  // DistilBERT's classes have no such field: their epsilon is 1e-12.
  expect(published('distilbert-base-uncased', { layer_norm_eps: 1e-5 }).layerNormEps).toBe(1e-12);
});

test.each<[string, object, string]>([
  ['roberta-base', { max_position_embeddings: 2 }, 'max_position_embeddings is 2; it must be above 2'],
  ['roberta-base', { is_decoder: true }, 'is_decoder is true; it must be false'],
  ['roberta-base', { pad_token_id: -1 }, 'pad_token_id is -1; it must be an integer from 0'],
  ['distilbert-base-uncased', { n_heads: 7 }, 'dim is 768; it must be a multiple of n_heads (7)'],
  ['distilbert-base-uncased', { dim: undefined }, 'dim is missing; it must be a positive integer'],
  ['distilbert-base-uncased', { dropout: 1 }, 'dropout is 1; it must be a rate from 0 to below 1'],
  ['electra-small-discriminator', { embedding_size: 0 }, 'embedding_size is 0; it must be a positive integer'],
])('the refusal of %s names its own field: %j', (name, change, message) => {
  put(JSON.stringify({ ...PUBLISHED[name], ...change }));
  expect(refusal(root)).toContain(`config.json: ${message}`);
});

test.each([
  ['gelu_pytorch_tanh', 'gelu_new'],
  ['gelu_fast', 'gelu_new'],
  ['gelu_new', 'gelu_new'],
  ['gelu_python', 'gelu'],
  ['swish', 'silu'],
  ['relu', 'relu'],
  ['quick_gelu', 'quick_gelu'],
  ['tanh', 'tanh'],
])('the activation %s is %s', (spelled, activation) => {
  expect(read({ hidden_act: spelled }).activation).toBe(activation);
});

test('classifier_dropout counts if it is a number', () => {
  expect(read({ classifier_dropout: 0 }).classifierDropout).toBe(0);
  expect(read({ classifier_dropout: null }).classifierDropout).toBe(0.2);
});

test('a padding token of null is 0', () => {
  expect(read({ pad_token_id: null }).padTokenId).toBe(0);
});

test.each<[string, object, string]>([
  [
    'another model',
    { model_type: 'gpt2' },
    'model_type "gpt2" is not supported; supported: bert, roberta, xlm-roberta, camembert, distilbert, electra, ' +
      'mpnet, modernbert, deberta-v2, llama, qwen2, qwen3',
  ],
  ['a name of an object', { model_type: 'constructor' }, 'model_type "constructor" is not supported'],
  [
    'another class',
    { model_type: undefined, architectures: ['T5Model'] },
    'architectures ["T5Model"] is not supported; supported: bert',
  ],
  ['no model at all', { model_type: undefined, architectures: undefined }, 'has no model_type; supported: bert'],
  ['no size', { hidden_size: undefined }, 'hidden_size is missing; it must be a positive integer'],
  ['a size in words', { num_hidden_layers: 'six' }, 'num_hidden_layers is "six"; it must be a positive integer'],
  ['a negative size', { vocab_size: -1 }, 'vocab_size is -1; it must be a positive integer'],
  ['a fraction', { num_attention_heads: 1.5 }, 'num_attention_heads is 1.5; it must be a positive integer'],
  ['a size of billions', { vocab_size: 1e12 }, 'vocab_size is 1000000000000; it must be an integer below 2^31'],
  [
    'heads that do not fit',
    { num_attention_heads: 11 },
    'hidden_size is 384; it must be a multiple of num_attention_heads (11)',
  ],
  [
    'a padding token that is not of the vocabulary',
    { pad_token_id: 30_522 },
    'pad_token_id is 30522; it must be below vocab_size (30522)',
  ],
  ['a rate of 1', { hidden_dropout_prob: 1 }, 'hidden_dropout_prob is 1; it must be a rate from 0 to below 1'],
  ['an epsilon of 0', { layer_norm_eps: 0 }, 'layer_norm_eps is 0; it must be a positive number'],
  ['an activation', { hidden_act: 'magic' }, 'hidden_act is "magic"; it must be one of gelu, gelu_python'],
  ['an activation of an object', { hidden_act: 'toString' }, 'hidden_act is "toString"'],
  [
    'positions',
    { position_embedding_type: 'relative_key' },
    'position_embedding_type is "relative_key"; it must be "absolute"',
  ],
  ['a decoder', { is_decoder: true }, 'is_decoder is true; it must be false'],
  ['cross attention', { add_cross_attention: true }, 'add_cross_attention is true; it must be false'],
  ['pruned heads', { pruned_heads: { 0: [1] } }, 'pruned_heads is {"0":[1]}; it must be empty'],
])("%s is refused with the field's name", (_, change, message) => {
  put(JSON.stringify({ ...MINILM, ...change }));
  expect(refusal(root)).toContain(`${path.join(root, 'config.json')}: ${message}`);
});

test.each([
  ['an empty file', '', 'is empty'],
  ['half a file', '{"model_type": "bert",', 'is not JSON'],
  ['a list', '[]', 'holds []; expected a JSON object'],
])('%s is refused', (_, text, message) => {
  put(text);
  expect(refusal(root)).toContain(`config.json: ${message}`);
});

test('a missing folder, one without a config, and a file', () => {
  expect(refusal(path.join(root, 'none'))).toBe(`${path.join(root, 'none')}: no such folder; expected a model folder`);
  const empty = fs.mkdtempSync(path.join(root, 'empty-'));
  expect(refusal(empty)).toContain(`${path.join(empty, 'config.json')}: no such file`);
  const file = path.join(root, 'file');
  fs.writeFileSync(file, '');
  expect(refusal(file)).toBe(`${file}: is a file; expected a model folder`);
});

test.each([
  ['tiny-bert', 'add "model_type": "bert";'],
  [
    'tiny-roberta',
    'add "model_type": "roberta" or "model_type": "xlm-roberta" or "model_type": "camembert", whichever it is;',
  ],
  ['tiny-distilbert', 'add "model_type": "distilbert";'],
  ['seven-heads-bert', 'add "model_type": "bert" or "model_type": "roberta" or "model_type": "xlm-roberta" or'],
])('without model_type and architectures, the message derives what to add from the tensors of %s', (name, hint) => {
  const folder = fs.mkdtempSync(path.join(root, 'hint-'));
  fs.cpSync(path.join(__dirname, '../fixtures', name), folder, { recursive: true });
  const { model_type, architectures, ...rest } = JSON.parse(fs.readFileSync(path.join(folder, 'config.json'), 'utf8'));
  fs.writeFileSync(path.join(folder, 'config.json'), JSON.stringify(rest));
  expect(refusal(folder)).toContain(`config.json: has no model_type; its tensors are those of such a model: ${hint}`);
});
