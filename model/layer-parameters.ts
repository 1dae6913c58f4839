import type { LayerParameters } from '../heads/head-report';
import type { ModelConfig } from './architecture';
import { architectureOf } from './architectures';
import { linearModules } from './linear-modules';

/** Sizes of a layer's matrices. Every layer of a model has the same. */
export function layerParameters(config: ModelConfig): LayerParameters {
  const { headSlices, layerPrefix, tensors } = architectureOf(config);
  const shapes = new Map(tensors(config).map(({ name, shape }) => [name, shape]));
  const matrices = linearModules(config)
    .filter((module) => module.startsWith(`${layerPrefix}0.`))
    .map((module) => `${module}.weight`);
  const ofHeads = new Set(headSlices(config, 0, 0).flatMap(({ role, tensor }) => (role === 'o' ? [] : [tensor])));
  const sum = (names: readonly string[], size: (out: number, into: number) => number) =>
    names.map((name) => shapes.get(name)!).reduce((total, [out, into]) => total + size(out, into), 0);
  return {
    matrices: sum(matrices, (out, into) => out * into),
    projections: sum(
      matrices.filter((name) => ofHeads.has(name)),
      (out, into) => out + into,
    ),
  };
}
