import type { Device } from '../foundation/device';
import type { PerHead, ReportModel } from '../heads/head-report';
import { openCheckpoint } from '../model/checkpoint';
import type { ModelConfig } from '../model/config';
import { reportModelOf } from '../model/description';
import { type DeviceUsed, selectDevice } from '../model/onnx-device';
import { loadTokenizer, type Tokenizer } from '../model/tokenizer';
import { HeadEncoder } from './head-encoder';
import { headNorms } from './head-norms';

/** Settings of an engine's session. */
export interface ModelSettings {
  device: Device;
  /** True to fetch the head outputs themselves instead of their Gram matrices. */
  exact: boolean;
  threads: number;
}

/** Model that is ready to measure, until it is released. Its files may have been removed. */
export interface LoadedModel {
  config: ModelConfig;
  tokenizer: Tokenizer;
  encoder: HeadEncoder;
  headNorms: PerHead;
  deviceUsed: DeviceUsed;
  /** Description for the report, with the name from its folder. */
  description: ReportModel;
  release(): Promise<void>;
}

/** Source of an analysis's model. */
export interface ModelSource {
  /**
   * Takes the model of a folder. Nobody else uses it until it is given back.
   *
   * @throws HifiError INVALID_INPUT for an invalid model; FAILED for a device that does not work
   *   here
   */
  take(folder: string, settings: ModelSettings): Promise<LoadedModel>;
  giveBack(model: LoadedModel): Promise<void>;
}

/** Loads a model into the engine; see {@link ModelSource.take}. */
export async function loadModel(folder: string, settings: ModelSettings): Promise<LoadedModel> {
  const checkpoint = await openCheckpoint(folder);
  try {
    const { config } = checkpoint;
    const tokenizer = loadTokenizer(folder);
    const deviceUsed = await selectDevice(settings.device);
    const norms = headNorms(checkpoint);
    const encoder = await HeadEncoder.load(checkpoint, { ...settings, device: deviceUsed });
    return {
      config,
      tokenizer,
      encoder,
      headNorms: norms,
      deviceUsed,
      description: reportModelOf(checkpoint),
      release: () => encoder.release(),
    };
  } finally {
    checkpoint.close();
  }
}
