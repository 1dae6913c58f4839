import * as fs from 'node:fs';
import * as path from 'node:path';
import { z } from 'zod';
import { invalidInput, shown } from '../foundation/errors';
import { readJsonObject } from '../foundation/json-file';
import { ACTIVATIONS } from './activations';
import type { Architecture, ConfigField, ModelConfig } from './architecture';
import { ARCHITECTURES } from './architectures';
import { padTokenOf } from './pad-token';
import { Weights } from './weights';

export type { ModelConfig };

const size = z
  .int('a positive integer')
  .min(1, 'a positive integer')
  .max(2 ** 31 - 1, 'an integer below 2^31');
const rate = z.number('a rate from 0 to below 1').min(0, 'a rate from 0 to below 1').lt(1, 'a rate from 0 to below 1');
const positive = z.number('a positive number').gt(0, 'a positive number');

/**
 * Checks of the fields. Sizes are required; the others have the defaults of Hugging Face's
 * configuration classes.
 */
const fields = z.object({
  layers: size,
  heads: size,
  keyValueHeads: size.nullish(),
  headDim: size.nullish(),
  hiddenSize: size,
  intermediateSize: size,
  vocabSize: size,
  embeddingSize: size.nullish(),
  positionRows: size.default(512),
  typeVocabSize: z.int('an integer from 0').min(0, 'an integer from 0').default(2),
  activation: z.enum(Object.keys(ACTIVATIONS), `one of ${Object.keys(ACTIVATIONS).join(', ')}`).default('gelu'),
  layerNormEps: positive.default(1e-12),
  hiddenDropout: rate.default(0.1),
  attentionDropout: rate.default(0.1),
  classifierDropout: rate.nullish(),
  initializerRange: positive.default(0.02),
  padTokenId: z.int('an integer from 0').min(0, 'an integer from 0').nullish(),
});

/**
 * Reads `config.json` of a model folder.
 * @throws HifiError INVALID_INPUT, one line with the file, the field, its value and what would be
 *   right
 */
export function readModelConfig(folder: string): ModelConfig {
  const file = path.join(folder, 'config.json');
  const raw = readConfigFile(folder, file);
  const architecture = architectureIn(raw, file, folder);
  const given: Record<string, unknown> = {};
  for (const [field, key] of Object.entries({ ...architecture.defaults, ...architecture.config })) {
    given[field] = typeof key === 'string' ? raw[key] : undefined;
    given[field] ??= architecture.defaults[field as ConfigField];
  }
  const parsed = fields.safeParse(given);
  if (!parsed.success) {
    const { path: at, message } = parsed.error.issues[0];
    const field = String(at[0]) as ConfigField;
    throw refusal(file, architecture.config[field] ?? field, given[field], message);
  }
  const { classifierDropout, activation, embeddingSize, headDim, keyValueHeads, ...rest } = parsed.data;
  if (!headDim && rest.hiddenSize % rest.heads !== 0) {
    const right = `a multiple of ${architecture.config.heads} (${rest.heads})`;
    throw refusal(file, architecture.config.hiddenSize ?? 'hiddenSize', rest.hiddenSize, right);
  }
  if (keyValueHeads && rest.heads % keyValueHeads !== 0) {
    const right = `a divisor of ${architecture.config.heads} (${rest.heads})`;
    throw refusal(file, architecture.config.keyValueHeads ?? 'keyValueHeads', keyValueHeads, right);
  }
  const { padTokenId: configured } = rest;
  const padTokenId = architecture.padsAsTokenizer ? padTokenOf(folder, configured, raw) : (configured ?? 0);
  if (padTokenId === undefined) {
    const right = 'the number of a token, as neither the tokenizer nor eos_token_id names one';
    throw refusal(file, architecture.config.padTokenId ?? 'padTokenId', raw.pad_token_id, right);
  }
  if (padTokenId && padTokenId >= rest.vocabSize) {
    const right = `below ${architecture.config.vocabSize} (${rest.vocabSize})`;
    throw refusal(file, architecture.config.padTokenId ?? 'padTokenId', padTokenId, right);
  }
  const firstPosition = architecture.positions === 'fromZero' ? 0 : padTokenId + 1;
  if (rest.positionRows <= firstPosition) {
    const right = `above ${firstPosition}: the first token's position comes after the padding token's number`;
    throw refusal(file, architecture.config.positionRows ?? 'positionRows', rest.positionRows, right);
  }
  checkEncoder(raw, file);
  const config: ModelConfig = {
    architecture: architecture.modelType,
    ...rest,
    embeddingSize: embeddingSize ?? rest.hiddenSize,
    firstPosition,
    maxPositions: rest.positionRows - firstPosition,
    keyValueHeads: keyValueHeads ?? rest.heads,
    headDim: headDim ?? rest.hiddenSize / rest.heads,
    activation: ACTIVATIONS[activation],
    classifierDropout: classifierDropout ?? rest.hiddenDropout,
    padTokenId,
    causal: architecture.causal,
    raw,
  };
  const fault = architecture.fault?.(config);
  if (fault) throw refusal(file, ...fault);
  return config;
}

/**
 * Reads config.json. A missing folder, a file and a folder without a model have messages of their
 * own.
 */
function readConfigFile(folder: string, file: string): Record<string, unknown> {
  if (!fs.existsSync(folder)) throw invalidInput(`${folder}: no such folder; expected a model folder`);
  if (!fs.statSync(folder).isDirectory()) throw invalidInput(`${folder}: is a file; expected a model folder`);
  const raw = readJsonObject(file);
  if (!raw) {
    throw invalidInput(`${file}: no such file; a model folder holds config.json, model.safetensors, tokenizer.json`);
  }
  return raw;
}

function architectureIn(raw: Record<string, unknown>, file: string, folder: string): Architecture {
  const all = [...ARCHITECTURES.values()];
  const type = raw.model_type;
  const className = Array.isArray(raw.architectures) ? raw.architectures[0] : undefined;
  const found =
    type !== undefined
      ? all.find(({ modelType }) => modelType === type)
      : all.find(({ classPrefix }) => typeof className === 'string' && className.startsWith(classPrefix));
  if (found) return found;
  const supported = `supported: ${all.map(({ modelType }) => modelType).join(', ')}`;
  if (type !== undefined) throw invalidInput(`${file}: model_type ${shown(type)} is not supported; ${supported}`);
  if (raw.architectures === undefined) {
    throw invalidInput(`${file}: has no model_type${modelTypeHint(folder)}; ${supported}`);
  }
  throw invalidInput(`${file}: architectures ${shown(raw.architectures)} is not supported; ${supported}`);
}

/**
 * Suggests the model_type for a config.json without one, from the names of the folder's tensors.
 */
function modelTypeHint(folder: string): string {
  let names: string[];
  try {
    const weights = Weights.open(folder);
    names = [...weights.tensors.keys()];
    weights.close();
  } catch {
    return '';
  }
  const one = {
    layers: 1,
    heads: 1,
    keyValueHeads: 1,
    headDim: 1,
    hiddenSize: 1,
    embeddingSize: 1,
    intermediateSize: 1,
  };
  const sizes = { ...one, raw: {}, vocabSize: 1, positionRows: 1, typeVocabSize: 1 };
  const holding = (prefixes: (architecture: Architecture) => readonly string[]) =>
    [...ARCHITECTURES.values()].filter((architecture) => {
      const ofLayer = architecture.tensors(sizes).find(({ name }) => name.startsWith(`${architecture.layerPrefix}0.`));
      return prefixes(architecture).some((prefix) => names.some((name) => name.includes(prefix + ofLayer?.name)));
    });
  const own = holding(({ prefixes }) => prefixes.filter((prefix) => prefix !== ''));
  const fitting = own.length > 0 ? own : holding(() => ['']);
  if (fitting.length === 0) return '';
  const types = fitting.map(({ modelType }) => `"model_type": "${modelType}"`);
  const each = fitting.length === 1 ? '' : ', whichever it is';
  return `; its tensors are those of such a model: add ${types.join(' or ')}${each}`;
}

function checkEncoder(raw: Record<string, unknown>, file: string): void {
  const { position_embedding_type: position = 'absolute', pruned_heads: pruned } = raw;
  if (position !== 'absolute') throw refusal(file, 'position_embedding_type', position, '"absolute"');
  for (const flag of ['is_decoder', 'add_cross_attention']) {
    if (raw[flag]) throw refusal(file, flag, raw[flag], 'false: only encoders are supported');
  }
  if (pruned && Object.keys(pruned).length > 0) throw refusal(file, 'pruned_heads', pruned, 'empty');
}

function refusal(file: string, field: string, value: unknown, right: string) {
  return invalidInput(`${file}: ${field} is ${shown(value)}; it must be ${right}`);
}
