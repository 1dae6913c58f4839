import type { Device } from '../foundation/device';
import type { PerHead, ReportModel } from '../heads/head-report';
import { openCheckpoint } from '../model/checkpoint';
import type { ModelConfig } from '../model/config';
import { type DeviceUsed, settleDevice } from '../model/onnx-device';
import { loadTokenizer, type Tokenizer } from '../model/tokenizer';
import { headNorms } from './head-norms';
import { HeadEncoder } from './outputs';

/** The settings that shape an engine's session. */
export interface ModelSettings {
  device: Device;
  /** Fetch the head outputs themselves, not their Gram matrices. */
  exact: boolean;
  threads: number;
}

/** A model that can be measured, as long as it is not released; its files may be gone. */
export interface LoadedModel {
  config: ModelConfig;
  tokenizer: Tokenizer;
  encoder: HeadEncoder;
  headNorms: PerHead;
  deviceUsed: DeviceUsed;
  /** What a report tells of it, by the name that its folder tells. */
  description: ReportModel;
  release(): Promise<void>;
}

/** Where an analysis has its model from. */
export interface ModelSource {
  /**
   * The model of a folder. It is the caller's alone until it is given back.
   *
   * @throws HifiError INVALID_INPUT for a bad model; FAILED for a device that does not work here
   */
  take(folder: string, settings: ModelSettings): Promise<LoadedModel>;
  giveBack(model: LoadedModel): Promise<void>;
}

/** Reads a model and makes it ready to run; see {@link ModelSource.take}. */
export async function loadModel(folder: string, settings: ModelSettings): Promise<LoadedModel> {
  const checkpoint = await openCheckpoint(folder);
  try {
    const { config, name, sha256, parameters } = checkpoint;
    const { architecture, layers, heads, headDim, hiddenSize } = config;
    const tokenizer = loadTokenizer(folder);
    const deviceUsed = await settleDevice(settings.device);
    const norms = headNorms(checkpoint);
    const encoder = await HeadEncoder.load(checkpoint, { ...settings, device: deviceUsed });
    return {
      config,
      tokenizer,
      encoder,
      headNorms: norms,
      deviceUsed,
      description: { name, sha256, architecture, layers, heads, headDim, hiddenSize, parameters },
      release: () => encoder.release(),
    };
  } finally {
    checkpoint.close();
  }
}
