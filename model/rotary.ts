import { isJsonObject } from '../foundation/json-file';
import type { ConfigFault, ModelConfig } from './architecture';

/**
 * Frequencies of rotary positions (Su et al. 2021, section 3.2.2), in radians per token:
 * θ^(−2i/dh) for i = 0 … dh/2 − 1, in float32 as transformers has them. // [dh/2]
 *
 * @param headDim dh, even
 * @param theta base of the frequencies, above 1
 */
export const rotaryFrequencies = (headDim: number, theta: number): number[] =>
  Array.from({ length: headDim / 2 }, (_, i) => Math.fround(1 / Math.fround(theta ** ((2 * i) / headDim))));

/*
 * Rotary positions as config.json describes them: `rope_parameters` since transformers 5,
 * `rope_theta` and `rope_scaling` before.
 */

/** θ of a config.json that names none, in every class of transformers here. */
const DEFAULT_THETA = 10_000;

const LLAMA3 = ['factor', 'low_freq_factor', 'high_freq_factor', 'original_max_position_embeddings'] as const;

/** Numbers that each kind of scaling needs. */
const SCALINGS: Readonly<Record<string, readonly string[]>> = {
  default: [],
  linear: ['factor'],
  llama3: LLAMA3,
};

/** Field of config.json with the parameters, its content, the kind of scaling and θ. */
function ropeOf(raw: ModelConfig['raw']) {
  const field = isJsonObject(raw.rope_scaling) ? 'rope_scaling' : 'rope_parameters';
  const given = isJsonObject(raw[field]) ? raw[field] : {};
  const parameters: Record<string, unknown> = {
    original_max_position_embeddings: raw.max_position_embeddings,
    ...given,
  };
  const type = given.rope_type ?? given.type ?? 'default';
  return { field, parameters, type, theta: given.rope_theta ?? raw.rope_theta ?? DEFAULT_THETA };
}

const isPositive = (value: unknown): value is number =>
  typeof value === 'number' && value > 0 && Number.isFinite(value);

/** First field that {@link configuredFrequencies} cannot use. */
export function rotaryFault(raw: ModelConfig['raw']): ConfigFault | undefined {
  const { field, parameters, type, theta } = ropeOf(raw);
  if (!isPositive(theta)) return ['rope_theta', theta, 'a positive number'];
  const needed = typeof type === 'string' && Object.hasOwn(SCALINGS, type) ? SCALINGS[type] : undefined;
  if (!needed) return [`${field}.rope_type`, type, `one of ${Object.keys(SCALINGS).join(', ')}`];
  const wrong = needed.find((name) => !isPositive(parameters[name]));
  if (wrong !== undefined) return [`${field}.${wrong}`, parameters[wrong], 'a positive number'];
  const share = parameters.partial_rotary_factor ?? raw.partial_rotary_factor ?? 1;
  if (share !== 1) return ['partial_rotary_factor', share, '1: all numbers of a head are turned'];
  return undefined;
}

/**
 * Frequencies of the positions in radians per token, in float32 as in transformers. // [dh/2]
 *
 * - `linear` (Chen et al. 2023): all divided by `factor`.
 * - `llama3` (Grattafiori et al. 2024): divided if a turn is longer than the pretraining's texts
 *   over `low_freq_factor`, unchanged if it is shorter than they are over `high_freq_factor`,
 *   between them interpolated.
 */
export function configuredFrequencies({ headDim, raw }: Pick<ModelConfig, 'headDim' | 'raw'>): number[] {
  const { parameters, type, theta } = ropeOf(raw);
  const [factor, low, high, length] = LLAMA3.map((name) => parameters[name] as number);
  const scaled = (frequency: number) => {
    if (type === 'linear') return frequency / factor;
    if (type !== 'llama3') return frequency;
    const turns = (length * frequency) / (2 * Math.PI); // of the pretraining's texts
    if (turns < low) return frequency / factor;
    if (turns > high) return frequency;
    const share = (turns - low) / (high - low);
    return ((1 - share) * frequency) / factor + share * frequency;
  };
  return rotaryFrequencies(headDim, theta as number).map((frequency) => Math.fround(scaled(frequency)));
}
