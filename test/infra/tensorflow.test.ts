import * as fs from 'node:fs';
import * as path from 'node:path';
import { runCommand } from '../../foundation/command';
import { trainerEnvironment } from '../../infra/tensorflow';

const entry = require.resolve('../../infra/tensorflow');
const load = (script: string, env: Record<string, string>) =>
  runCommand(process.execPath, ['-e', `const { loadTensorFlow } = require(process.argv[1]); ${script}`, entry], {
    env,
  });

it('loads the native binding on the pinned TensorFlow without any output', async () => {
  const { status, output } = await load(
    `const tf = loadTensorFlow();
     const matrix = (shape, values) => tf.createTensor(shape, tf.TF_FLOAT, Float32Array.from(values));
     const type = { name: 'T', type: tf.TF_ATTR_TYPE, value: tf.TF_FLOAT };
     const [{ id, shape }] = tf.executeOp('MatMul', [type], [matrix([2, 2], [1, 2, 3, 4]), matrix([2, 1], [5, 6])], 1);
     console.log(JSON.stringify([tf.TF_Version, shape, [...tf.tensorDataSync(id)]]));`,
    trainerEnvironment(1),
  );
  expect(output).toBe('["2.18.1",[2,1],[17,39]]\n');
  expect(status).toBe(0);
});

it('names the remedy if the package for CUDA is missing', async () => {
  const { output } = await load(
    "try { loadTensorFlow('cuda') } catch (error) { console.log(error.code, error.message) }",
    trainerEnvironment(),
  );
  expect(output).toMatch(
    /^UNSUPPORTED TensorFlow is not set up \(run hifi setup --gpu\): @tensorflow\/tfjs-node-gpu is not installed/,
  );
});

it('uses the requested number of threads', async () => {
  const oneEach = { TF_NUM_INTRAOP_THREADS: '1', OMP_NUM_THREADS: '1' };
  expect(trainerEnvironment(3)).toMatchObject({ TF_NUM_INTEROP_THREADS: '3', ...oneEach });
  expect(Number(trainerEnvironment().TF_NUM_INTEROP_THREADS)).toBeGreaterThan(0);
});

it('freed memory is reused by the next operation', async () => {
  const script = `
    const tf = loadTensorFlow();
    const x = tf.createTensor([16, 128, 1536], tf.TF_FLOAT, new Float32Array(16 * 128 * 1536));
    const type = { name: 'T', type: tf.TF_ATTR_TYPE, value: tf.TF_FLOAT };
    const faults = () => process.resourceUsage().minorPageFault;
    const add = () => {
      const sums = [1, 2].map(() => tf.executeOp('AddV2', [type], [x, x], 1)[0].id);
      for (const id of sums) tf.deleteTensor(id);
    };
    for (let i = 0; i < 10; i++) add();
    const before = faults();
    for (let i = 0; i < 20; i++) add();
    console.log((faults() - before) / 40);`;
  const faults = Number((await load(script, trainerEnvironment(1))).output);
  const pages = (16 * 128 * 1536 * 4) / 4096;
  expect(faults).toBeLessThan(0.1 * pages); // all of them, if memory were mapped each time
});

it('is required only by the file that loads it', () => {
  const root = path.join(__dirname, '../..');
  const offenders = ['analyzer', 'trainer', 'infra', 'model', 'data', 'heads', 'gateway', 'cli']
    .filter((room) => fs.existsSync(path.join(root, room)))
    .flatMap((room) => fs.readdirSync(path.join(root, room)).map((file) => path.join(room, file)))
    .filter((file) => file.endsWith('.ts') && file !== 'infra/tensorflow.ts')
    .filter((file) =>
      /^(import (?!type )|export \{).*from '@tensorflow\/|require\('@tensorflow\/[^/']+'|require\(bindingFile/m.test(
        fs.readFileSync(path.join(root, file), 'utf8'),
      ),
    );
  expect(offenders).toEqual([]);
});
