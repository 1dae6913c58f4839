import * as fs from 'node:fs';
import * as path from 'node:path';
import { readModelConfig } from '../../model/config';
import { configuredFrequencies } from '../../model/rotary';
import { put, refusal, root } from './config-folder';

/** Published config.json of decoders, with the fields that hifi reads. */
const DECODERS: Record<string, Record<string, unknown>> = {
  'Llama-3.2-1B': {
    model_type: 'llama',
    attention_bias: false,
    eos_token_id: [128001, 128008, 128009],
    head_dim: 64,
    hidden_act: 'silu',
    hidden_size: 2048,
    intermediate_size: 8192,
    max_position_embeddings: 131072,
    num_attention_heads: 32,
    num_hidden_layers: 16,
    num_key_value_heads: 8,
    rms_norm_eps: 1e-5,
    rope_scaling: {
      factor: 32,
      high_freq_factor: 4,
      low_freq_factor: 1,
      original_max_position_embeddings: 8192,
      rope_type: 'llama3',
    },
    rope_theta: 500000,
    tie_word_embeddings: true,
    vocab_size: 128256,
  },
  'Qwen3-0.6B': {
    model_type: 'qwen3',
    bos_token_id: 151643,
    eos_token_id: 151645,
    head_dim: 128,
    hidden_act: 'silu',
    hidden_size: 1024,
    intermediate_size: 3072,
    max_position_embeddings: 40960,
    max_window_layers: 28,
    num_attention_heads: 16,
    num_hidden_layers: 28,
    num_key_value_heads: 8,
    rms_norm_eps: 1e-6,
    rope_scaling: null,
    rope_theta: 1000000,
    sliding_window: null,
    use_sliding_window: false,
    vocab_size: 151936,
  },
};
const decoder = (name: string, change: object = {}) =>
  readModelConfig(put(JSON.stringify({ ...DECODERS[name], ...change })));

test('a decoder has heads of its own size, groups of keys and values, and no dropout', () => {
  expect(decoder('Qwen3-0.6B')).toMatchObject({
    ...{ heads: 16, keyValueHeads: 8, headDim: 128, hiddenSize: 1024, layerNormEps: 1e-6, activation: 'silu' },
    ...{ hiddenDropout: 0, attentionDropout: 0, maxPositions: 40960, typeVocabSize: 0, padTokenId: 151645 },
    causal: true,
  });
  expect(decoder('Llama-3.2-1B', { head_dim: null, num_key_value_heads: null })).toMatchObject({
    ...{ headDim: 64, keyValueHeads: 32, padTokenId: 128001 },
  });
});

test.each(Object.keys(DECODERS))('the positions of %s in both forms of config.json', (name) => {
  const { rope_theta, rope_scaling, ...rest } = DECODERS[name];
  const parameters = { rope_type: 'default', ...(rope_scaling as object | null), rope_theta };
  const before = configuredFrequencies(decoder(name));
  put(JSON.stringify({ ...rest, rope_parameters: parameters }));
  expect(configuredFrequencies(readModelConfig(root))).toEqual(before);
  expect(before).toHaveLength(64 / (name === 'Llama-3.2-1B' ? 2 : 1));
});

test('the padding token is that of config.json, else that of the tokenizer, else the end of a text', () => {
  expect(decoder('Qwen3-0.6B', { pad_token_id: 7 }).padTokenId).toBe(7);
  const folder = fs.mkdtempSync(path.join(root, 'padding-'));
  const write = (name: string, content: object) => fs.writeFileSync(path.join(folder, name), JSON.stringify(content));
  write('config.json', DECODERS['Qwen3-0.6B']);
  write('tokenizer.json', { added_tokens: [{ id: 151643, content: '<|endoftext|>' }] });
  expect(readModelConfig(folder).padTokenId).toBe(151645);
  write('tokenizer_config.json', { pad_token: { content: '<|endoftext|>' } });
  expect(readModelConfig(folder).padTokenId).toBe(151643);
});

describe('a tokenizer that ends texts with the padding token', () => {
  const [end, start, pad] = [151643, 151644, 151654];
  const template = (last: number) => ({
    type: 'TemplateProcessing',
    single: [{ Sequence: { id: 'A', type_id: 0 } }, { SpecialToken: { id: 'end', type_id: 0 } }],
    pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 0 } }],
    special_tokens: { end: { ids: [last] } },
  });
  const tokens = [
    { id: 100, content: 'pad', special: false },
    { id: start, content: '<|im_start|>', special: true },
    { id: end, content: '<|endoftext|>', special: true },
    { id: pad, content: '<|vision_pad|>', special: true },
  ];
  /** Padding token with other fields in config.json and another token at the end of texts. */
  const padding = (change: object, { last = end, added = tokens, named = '<|endoftext|>' } = {}) => {
    const folder = fs.mkdtempSync(path.join(root, 'ending-'));
    const write = (name: string, content: object) => fs.writeFileSync(path.join(folder, name), JSON.stringify(content));
    write('config.json', { ...DECODERS['Qwen3-0.6B'], ...change });
    write('tokenizer.json', { added_tokens: added, post_processor: template(last) });
    write('tokenizer_config.json', { pad_token: named });
    return readModelConfig(folder).padTokenId;
  };

  test('has another special token for padding, so that the end of a text is read', () => {
    expect(padding({})).toBe(pad);
    expect(padding({ pad_token_id: end })).toBe(pad);
    expect(padding({ eos_token_id: [151645, pad] })).toBe(start);
    // The tokenizer's own, if that is another one.
    expect(padding({ pad_token_id: end }, { named: '<|im_start|>' })).toBe(start);
  });

  test('has it only if texts end with that very token', () => {
    expect(padding({}, { last: start })).toBe(end);
    expect(padding({ pad_token_id: 7 })).toBe(7);
  });

  test('keeps it if there is no other special token', () => {
    expect(padding({}, { added: tokens.filter(({ id, special }) => id === end || !special) })).toBe(end);
  });
});

test.each<[string, object, string]>([
  ['Qwen3-0.6B', { use_sliding_window: true }, 'use_sliding_window is true; it must be false'],
  ['Qwen3-0.6B', { layer_types: ['sliding_attention'] }, 'layer_types is "sliding_attention"; it must be "full_att'],
  ['Qwen3-0.6B', { num_key_value_heads: 5 }, 'num_key_value_heads is 5; it must be a divisor of num_attention_heads'],
  ['Qwen3-0.6B', { head_dim: 7 }, 'head_dim is 7; it must be even'],
  ['Qwen3-0.6B', { eos_token_id: null }, 'pad_token_id is missing; it must be the number of a token'],
  [
    'Llama-3.2-1B',
    { rope_scaling: { rope_type: 'yarn', factor: 4 } },
    'rope_scaling.rope_type is "yarn"; it must be one of default, linear, llama3',
  ],
  [
    'Qwen3-0.6B',
    { rope_scaling: { type: 'longrope', short_factor: [1], long_factor: [2] } },
    'rope_scaling.rope_type is "longrope"; it must be one of default, linear, llama3',
  ],
  [
    'Qwen3-0.6B',
    { rope_scaling: { rope_type: 'toString' } },
    'rope_scaling.rope_type is "toString"; it must be one of default, linear, llama3',
  ],
  [
    'Llama-3.2-1B',
    { rope_scaling: null, rope_parameters: { rope_type: 'dynamic', factor: 4 } },
    'rope_parameters.rope_type is "dynamic"; it must be one of default, linear, llama3',
  ],
  [
    'Llama-3.2-1B',
    { rope_scaling: { type: 'linear' } },
    'rope_scaling.factor is missing; it must be a positive number',
  ],
  ['Llama-3.2-1B', { partial_rotary_factor: 0.5 }, 'partial_rotary_factor is 0.5; it must be 1'],
  ['Llama-3.2-1B', { rope_theta: 0 }, 'rope_theta is 0; it must be a positive number'],
])('the refusal of %s names what is not supported: %j', (name, change, message) => {
  put(JSON.stringify({ ...DECODERS[name], ...change }));
  expect(refusal(root)).toContain(`config.json: ${message}`);
});
