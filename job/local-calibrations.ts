import { calibrateAnalysis } from '../analyzer/analysis-engine';
import { calibrateTraining } from '../trainer/training-engine';
import { type Calibrations, scoringToMeasure } from './estimate';

/** Measurements by engines of this machine, each in a child process of its own. */
export const localCalibrations: Calibrations = {
  analysis: ({ model, train: data, analysis: options }, signal) => calibrateAnalysis({ model, data, options }, signal),
  training: (spec, signal) => {
    const { model, train, dev, selection, training: options } = spec;
    const request = { model, train, dev, selection, options, scoring: scoringToMeasure(spec) };
    return calibrateTraining(request, signal);
  },
};
