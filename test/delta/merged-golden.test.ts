import * as fs from 'node:fs';
import * as path from 'node:path';
import { exportCheckpoint } from '../../delta/checkpoint-export';
import { readTaskHead } from '../../delta/classifier-config';
import { makeDelta } from '../../delta/delta';
import { changedParts } from '../../delta/tuning';
import { undoCheckpoint } from '../../delta/undo';
import { loadTensorFlow } from '../../infra/tensorflow';
import { openCheckpoint } from '../../model/checkpoint';
import { SafetensorsFile } from '../../model/safetensors';
import { trainedValues } from '../../trainer/low-rank';
import { ParameterLayout } from '../../trainer/parameters';
import { FreshRows } from '../../trainer/prefix';
import { Program, type ProgramParts } from '../../trainer/program';
import { TokenRows } from '../../trainer/token-rows';
import { expectSameFiles, randomDelta, temporaryFolder } from '../support/deltas';
import { furtherOf, tuningOfCase } from '../support/golden-tuning';
import { rowsFor } from '../trainer/golden-targets';

// The oracle's tuned numbers, merged: transformers' own classifier of each family says what a
// checkpoint holds and what it answers (test/fixtures/make_training_golden.py).
const fixtures = path.join(__dirname, '../fixtures');
const folder = path.join(fixtures, 'training-golden');
const cases = fs.readdirSync(folder).flatMap((name) => /^(.*)\.golden\.json$/.exec(name)?.[1] ?? []);
const tf = loadTensorFlow();
const scratch = temporaryFolder('merged');
afterAll(() => fs.rmSync(scratch, { recursive: true }));

it.each(cases)('merged, %s has the tensors and logits of transformers; undone, it is the base', async (name) => {
  const golden = JSON.parse(fs.readFileSync(path.join(folder, `${name}.golden.json`), 'utf8'));
  const stored = SafetensorsFile.open(path.join(folder, `${name}.golden.safetensors`));
  const base = path.join(fixtures, golden.model);
  const checkpoint = await openCheckpoint(base);
  const labels = golden.classes === 1 ? undefined : Array.from({ length: golden.classes }, (_, i) => `label ${i}`);
  const perToken = golden.problemType === 'token_classification';
  const problemType = perToken ? { problemType: golden.problemType } : {};
  const { config } = checkpoint;
  const further = furtherOf(config, golden);
  const parts = further && changedParts(config, further);
  const { info } = randomDelta(checkpoint, {
    ...{ heads: golden.heads, neurons: golden.neurons, tune: golden.tune },
    ...{ parts, labels, ...problemType },
  });
  const final = [...stored.tensors.keys()].flatMap((key) => /^final\/(.*)$/.exec(key)?.[1] ?? []);
  const values = trainedValues(
    checkpoint,
    tuningOfCase(config, golden),
    new Map(final.map((each) => [each, { values: stored.float32(`final/${each}`) }])),
  );
  const delta = makeDelta(checkpoint, info, ({ canonical }) => values(canonical));
  const out = path.join(scratch, name);
  await exportCheckpoint({ checkpoint, delta, dtype: 'float32', out });
  checkpoint.close();

  const merged = await openCheckpoint(out);
  const shapes = [...merged.weights.tensors].map(([tensor, { shape }]) => [tensor, [...shape]] as const);
  expect(Object.fromEntries(shapes)).toEqual(golden.stateDict);
  expect(merged.config.raw.architectures).toEqual([golden.className]);

  const head = readTaskHead(merged)!;
  const layout = new ParameterLayout([...head.tensors].map(([name, { shape }]) => ({ name, shape })));
  const problem = perToken ? 'tokens' : golden.classes === 1 ? 'regression' : 'single-label';
  const untuned: ProgramParts = {
    checkpoint: merged,
    tuning: { slices: [] },
    layout,
    outputs: golden.classes,
    objective: { problem },
  };
  const program = new Program(
    tf,
    untuned,
    layout.gather(({ name }) => head.tensors.get(name)!.values),
  );
  const part = { program, checkpoint: merged, tokens: new TokenRows(merged) };
  const batch = new FreshRows(part, rowsFor(golden.rows, problem)).read(golden.gradientBatch);
  const logits = program.logits(batch);
  golden.finalLogits.flat(Infinity).forEach((logit: number, i: number) => {
    // The logits of padding have no meaning.
    if (perToken && batch.mask[Math.floor(i / golden.classes)] < 0) return;
    expect(Math.abs(logits[i] - logit)).toBeLessThan(1e-4);
  });
  program.close();
  merged.close();

  const undone = path.join(scratch, `${name}-undone`);
  undoCheckpoint(out, undone);
  expectSameFiles(undone, base);
});
