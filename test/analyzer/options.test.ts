import { ANALYSIS_DEFAULTS, analysisOptions } from '../../heads/analysis-options';

describe('analysisOptions', () => {
  it("fills in the method's defaults", () => {
    expect(analysisOptions({ seed: undefined, samples: 12 })).toEqual({ ...ANALYSIS_DEFAULTS, samples: 12 });
    expect(ANALYSIS_DEFAULTS).toEqual({
      samples: 300,
      maxSamples: 3000,
      k: 3,
      xi: 0.9,
      maxLength: 128,
      seed: 0,
      exact: false,
      device: 'auto',
      correlation: 'pearson',
      teleport: 'richness',
      damping: 0.5,
      scope: 'layer',
    });
  });

  it.each([
    [{ samples: 0 }, 'samples is 0; it must be a whole number from 1, or auto'],
    [{ samples: 'all' as 'auto' }, 'samples is "all"; it must be a whole number from 1, or auto'],
    [{ maxSamples: 0 }, 'maxSamples is 0'],
    [{ k: 0 }, 'k is 0'],
    [{ samples: 2.5 }, 'samples is 2.5; it must be a whole number'],
    [{ samples: Number.POSITIVE_INFINITY }, 'samples is Infinity; it must'],
    [{ xi: 0 }, 'xi is 0; it must be above 0, at most 1'],
    [{ xi: 1.1 }, 'xi is 1.1; it must be above 0, at most 1'],
    [{ maxLength: 0 }, 'maxLength is 0'],
    [{ seed: -1 }, 'seed is -1'],
    [{ seed: 2 ** 32 }, 'seed is 4294967296; it must be a whole number from 0 to 4294967295'],
    [{ damping: 1 }, 'damping is 1; it must be above 0 and below 1'],
    [{ scope: 'head' as 'layer' }, 'scope is "head"; it must be layer or model'],
    [{ device: 'tpu' as 'cpu' }, 'device is "tpu"; it must be auto, cpu or cuda'],
    [{ threads: 0 }, 'threads is 0'],
  ])('refuses %j', (given, message) => {
    expect(() => analysisOptions(given)).toThrow(`analysis option ${message}`);
  });

  it('refuses an unknown option', () => {
    expect(() => analysisOptions({ sample: 3 } as object)).toThrow('there is no analysis option "sample"');
  });
});
