import * as fs from 'node:fs';
import * as path from 'node:path';
import { runCommand } from '../../infra/command';
import { trainerEnvironment } from '../../infra/tensorflow';

const entry = require.resolve('../../infra/tensorflow');
const load = (script: string, env: Record<string, string>) =>
  runCommand(process.execPath, ['-e', `const { loadTensorFlow } = require(process.argv[1]); ${script}`, entry], {
    env,
  });

it('loads the native backend on the pinned TensorFlow, without a word', async () => {
  const { status, output } = await load(
    `const tf = loadTensorFlow();
     const product = tf.matMul([[1, 2], [3, 4]], [[5], [6]]).arraySync();
     console.log(JSON.stringify([tf.getBackend(), tf.backend().binding.TF_Version, product]));`,
    trainerEnvironment(1),
  );
  expect(output).toBe('["tensorflow","2.18.1",[[17],[39]]]\n');
  expect(status).toBe(0);
});

it('has the function that tfjs-node calls and Node 23 took away', async () => {
  const { output } = await load(
    `const util = require('node:util');
     delete util.isNullOrUndefined;
     const tf = loadTensorFlow();
     console.log([null, undefined, 0, ''].map((value) => util.isNullOrUndefined(value)).join());
     console.log(tf.tensor1d([3, 4]).norm().dataSync()[0]);`,
    trainerEnvironment(),
  );
  expect(output).toBe('true,true,false,false\n5\n');
});

it('says what to do where the package for a card is not there', async () => {
  const { output } = await load(
    "try { loadTensorFlow('cuda') } catch (error) { console.log(error.code, error.message) }",
    trainerEnvironment(),
  );
  expect(output).toMatch(/^FAILED TensorFlow is not set up \(run hifi setup --gpu\): Cannot find module/);
});

it('the threads are those asked for', async () => {
  expect(trainerEnvironment(3)).toMatchObject({ TF_NUM_INTRAOP_THREADS: '3', OMP_NUM_THREADS: '3' });
  expect(Number(trainerEnvironment().TF_NUM_INTRAOP_THREADS)).toBeGreaterThan(0);
});

it('freed memory is kept for the next operation', async () => {
  const script = `
    const tf = loadTensorFlow();
    const x = tf.ones([16, 128, 1536]);
    const faults = () => process.resourceUsage().minorPageFault;
    const add = () => tf.dispose(tf.tidy(() => [tf.add(x, 1), tf.add(x, 2)]));
    for (let i = 0; i < 10; i++) add();
    const before = faults();
    for (let i = 0; i < 20; i++) add();
    console.log((faults() - before) / 40);`;
  const faults = Number((await load(script, trainerEnvironment(1))).output);
  const pages = (16 * 128 * 1536 * 4) / 4096;
  expect(faults).toBeLessThan(0.1 * pages); // mapped anew each time it would be all of them
});

it('is required by no file but the one that loads it', () => {
  const root = path.join(__dirname, '../..');
  const offenders = ['analyzer', 'trainer', 'infra', 'model', 'data', 'heads', 'gateway', 'cli']
    .filter((room) => fs.existsSync(path.join(root, room)))
    .flatMap((room) => fs.readdirSync(path.join(root, room)).map((file) => path.join(room, file)))
    .filter((file) => file.endsWith('.ts') && file !== 'infra/tensorflow.ts')
    .filter((file) =>
      /^(import (?!type )|export \{).*from '@tensorflow\/|require\('@tensorflow\//m.test(
        fs.readFileSync(path.join(root, file), 'utf8'),
      ),
    );
  expect(offenders).toEqual([]);
});
