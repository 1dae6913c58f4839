import { TRAIN_DEFAULTS, type TrainEvent, type TrainMetrics } from '../../delta/training-options';
import { failed, HifiError } from '../../foundation/errors';
import { ANALYSIS_DEFAULTS } from '../../heads/analysis-options';
import type { AnalysisEvent } from '../../heads/analysis-request';
import type { HeadReport } from '../../heads/head-report';
import { SELECTION_DEFAULTS, selectHeads } from '../../heads/select';
import type { ResultFiles, ResultName } from '../../job/files';
import { JOB_PATH, type JobEvent, type JobPlace, type JobSpec, type JobStages, runJob } from '../../job/job';
import { sampleMask, sampleMetrics, sampleReport, sampleScores } from './sample-results';

const spec: JobSpec = {
  model: 'somewhere',
  train: { path: 'rows.tsv', task: 'sst2' },
  analysis: ANALYSIS_DEFAULTS,
  selection: { ...SELECTION_DEFAULTS, k: 2 },
  training: TRAIN_DEFAULTS,
  exports: ['checkpoint'],
  onnxDtypes: ['fp32'],
};

/** Storage in memory that logs its calls. */
class Memory implements JobPlace {
  readonly log: string[] = [];
  readonly results: Partial<ResultFiles> = {};

  constructor(private readonly earlier: Partial<ResultFiles> = {}) {}

  async stored<N extends ResultName>(name: N): Promise<ResultFiles[N] | undefined> {
    return this.earlier[name] as ResultFiles[N] | undefined;
  }

  async storedExport(): Promise<boolean> {
    return this.earlier['metrics.json'] !== undefined;
  }

  async invalidate(from: string): Promise<void> {
    this.log.push(`invalidate ${from}`);
  }

  async exported(format: string): Promise<void> {
    this.log.push(`exported ${format}`);
  }

  async write<N extends ResultName>(name: N, content: ResultFiles[N]): Promise<void> {
    this.log.push(`write ${name}`);
    Object.assign(this.results, { [name]: content });
  }
}

/** Stages as small generators that yield a few events and log their begin and end. */
function tinyStages(log: string[], change: Partial<JobStages> = {}): JobStages {
  return {
    async *analyze(): AsyncGenerator<AnalysisEvent, HeadReport> {
      log.push('analyze begins');
      try {
        yield { kind: 'warning', message: 'few rows' };
        for (let done = 0; done <= 3; done++) {
          yield { kind: 'progress', stage: 'measure', done, total: 3, unit: 'sequences' };
        }
        yield { kind: 'interval', name: 'rank', from: 1, to: 2 };
        return sampleReport();
      } finally {
        log.push('analyze ends');
      }
    },
    async *score(_, { samples }) {
      log.push(`score ${samples}`);
      yield { kind: 'progress', stage: 'score', done: 3, total: 3, unit: 'sequences' };
      return sampleScores();
    },
    select: selectHeads,
    async *train(): AsyncGenerator<TrainEvent, TrainMetrics> {
      log.push('train begins');
      try {
        const metrics = sampleMetrics();
        for (const epoch of metrics.epochs) {
          yield { kind: 'progress', stage: 'train', done: epoch.epoch, total: 2, unit: 'steps', loss: 0.5 };
          yield { kind: 'epoch', epoch };
          yield { kind: 'checkpoint', step: epoch.epoch };
        }
        return metrics;
      } finally {
        log.push('train ends');
      }
    },
    async export(_, format) {
      log.push(`export ${format}`);
      return { notes: ['rounded'] };
    },
    async report() {
      log.push('report');
    },
    ...change,
  };
}

const states = (events: JobEvent[]) => events.flatMap((event) => (event.kind === 'state' ? [event.state] : []));

async function drive(stages: JobStages, place: JobPlace, signal = new AbortController().signal, what = spec) {
  const events: JobEvent[] = [];
  const job = runJob(what, stages, place, signal);
  try {
    for (;;) {
      const { done, value } = await job.next();
      if (done) return { events, result: value };
      events.push(value);
    }
  } catch (error) {
    return { events, error: error as HifiError };
  }
}

test('a job passes its states in order and stores each result', async () => {
  const place = new Memory();
  const { events, result } = await drive(tinyStages(place.log), place);
  expect(states(events)).toEqual([...JOB_PATH]);
  expect(place.log).toEqual([
    'invalidate heads.json',
    'analyze begins',
    'analyze ends',
    'write heads.json',
    'invalidate mask.json',
    'write mask.json',
    'invalidate metrics.json',
    'train begins',
    'train ends',
    'write metrics.json',
    'invalidate checkpoint',
    'export checkpoint',
    'exported checkpoint',
    'report',
  ]);
  expect(place.results).toEqual({
    'heads.json': sampleReport(),
    'mask.json': sampleMask(),
    'metrics.json': sampleMetrics(),
  });
  expect(result).toEqual({ heads: sampleReport(), mask: sampleMask(), metrics: sampleMetrics() });
  const names = events.flatMap((event) => (event.kind === 'artifact' ? [event.name] : []));
  expect(names).toEqual(['heads.json', 'mask.json', 'delta', 'metrics.json', 'checkpoint', 'report.html']);
  expect(events.filter(({ kind }) => kind === 'epoch')).toHaveLength(2);
  expect(events.filter(({ kind }) => kind === 'warning')).toEqual([
    { kind: 'warning', message: 'few rows' },
    { kind: 'warning', message: 'rounded' },
  ]);
  expect(JSON.stringify(events)).not.toMatch(/"kind":"interval"/);
});

test('metrics.json has the files of an ONNX folder before the folder counts as exported', async () => {
  const place = new Memory();
  const onnx = [
    {
      dtype: 'q8' as const,
      file: 'onnx/model_quantized.onnx',
      bytes: 9,
      largestDifference: 0.5,
      dev: { accuracy: 0.75 },
    },
  ];
  const stages = tinyStages(place.log, { export: async () => ({ notes: [], onnx }) });
  const what = { ...spec, exports: ['onnx' as const], onnxDtypes: ['q8' as const] };
  const { events, result } = await drive(stages, place, undefined, what);
  expect(place.log.slice(-5)).toEqual([
    'write metrics.json',
    'invalidate onnx',
    'write metrics.json',
    'exported onnx',
    'report',
  ]);
  expect(result?.metrics).toEqual({ ...sampleMetrics(), onnx });
  expect(place.results['metrics.json']).toEqual(result?.metrics);
  const names = events.flatMap((event) => (event.kind === 'artifact' ? [event.name] : []));
  expect(names.slice(-4)).toEqual(['metrics.json', 'metrics.json', 'onnx', 'report.html']);
});

test('stored results are reused, later ones are repeated', async () => {
  const place = new Memory({ 'heads.json': sampleReport(), 'mask.json': sampleMask() });
  const { events } = await drive(tinyStages(place.log), place);
  expect(place.log).toEqual([
    'invalidate metrics.json',
    'train begins',
    'train ends',
    'write metrics.json',
    'invalidate checkpoint',
    'export checkpoint',
    'exported checkpoint',
    'report',
  ]);
  const reused = events.flatMap((event) => (event.kind === 'artifact' && event.kept ? [event.name] : []));
  expect(reused).toEqual(['heads.json', 'mask.json']);

  const done = new Memory({ 'heads.json': sampleReport(), 'mask.json': sampleMask(), 'metrics.json': sampleMetrics() });
  expect(states((await drive(tinyStages(done.log), done)).events)).toEqual([...JOB_PATH]);
  expect(done.log).toEqual(['report']);
});

test('a strategy that needs gradients stores its scores before the selection', async () => {
  const gradient: JobSpec = { ...spec, selection: { ...spec.selection, strategy: 'gradient' } };
  const place = new Memory();
  const { events, result } = await drive(tinyStages(place.log), place, undefined, gradient);
  expect(states(events)).toEqual([...JOB_PATH]);
  expect(place.log.slice(3, 8)).toEqual([
    'write heads.json',
    'invalidate scores.json',
    'score 3',
    'write scores.json',
    'invalidate mask.json',
  ]);
  expect(events.filter((event) => event.kind === 'progress' && event.stage === 'score')).toHaveLength(1);
  expect(result?.scores).toEqual(sampleScores());
  expect(result?.mask).toEqual(selectHeads(sampleScores(), gradient.selection));

  const later = new Memory({ 'heads.json': sampleReport(), 'scores.json': sampleScores() });
  await drive(tinyStages(later.log), later, undefined, gradient);
  expect(later.log.slice(0, 2)).toEqual(['invalidate mask.json', 'write mask.json']);
});

test('a stage that fails ends the job with its own error, after the event FAILED', async () => {
  const place = new Memory();
  const boom = failed('the train engine was ended by SIGKILL');
  const stages = tinyStages(place.log, {
    async *train() {
      yield { kind: 'checkpoint', step: 1 };
      throw boom;
    },
  });
  const { events, error } = await drive(stages, place);
  expect(error).toBe(boom);
  expect(states(events)).toEqual(['QUEUED', 'ANALYZING', 'SELECTING', 'TRAINING', 'FAILED']);
  expect(Object.keys(place.results)).toEqual(['heads.json', 'mask.json']);

  const wrong = await drive(tinyStages([], { select: () => selectHeads(sampleReport(), { k: 99 }) }), new Memory());
  expect(wrong.error).toMatchObject({ code: 'INVALID_INPUT', message: expect.stringContaining('k is 99') });
});

test('a signal ends the job between two stages, after the event CANCELLED', async () => {
  const place = new Memory();
  const controller = new AbortController();
  const stages = tinyStages(place.log, {
    select: (report, options) => {
      controller.abort();
      return selectHeads(report, options);
    },
  });
  const { events, error } = await drive(stages, place, controller.signal);
  expect(error).toBeInstanceOf(HifiError);
  expect(error?.code).toBe('CANCELLED');
  expect(states(events)).toEqual(['QUEUED', 'ANALYZING', 'SELECTING', 'CANCELLED']);
  expect(place.log).not.toContain('train begins');
});

test.each([
  ['measure', 'analyze ends'],
  ['train', 'train ends'],
])('a reader who leaves in stage %s ends the engine', async (stage, end) => {
  const place = new Memory();
  for await (const event of runJob(spec, tinyStages(place.log), place, new AbortController().signal)) {
    if (event.kind === 'progress' && event.stage === stage) break;
  }
  expect(place.log.at(-1)).toBe(end);
});
