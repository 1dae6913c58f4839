import { buffersOf, release } from '../../analyzer/batch-memory';

const MEGABYTE = 1 << 20;

/** Outputs of two layers, two megabytes each. */
const batch = () => ({
  layers: [
    { gram: new Float64Array(MEGABYTE / 8), tokenSum: new Float64Array(MEGABYTE / 8) },
    { context: new Float32Array(MEGABYTE / 2) },
  ],
});

it('frees a batch without the garbage collector, at any time', async () => {
  // The port closes in a later turn of the event loop.
  await new Promise((resolve) => setTimeout(resolve, 20));
  for (let turn = 0; turn < 3; turn++) {
    const outputs = batch();
    const before = process.memoryUsage().arrayBuffers;
    release(outputs);
    expect(before - process.memoryUsage().arrayBuffers).toBeGreaterThanOrEqual(4 * MEGABYTE);
    expect(buffersOf(outputs).map((buffer) => buffer.byteLength)).toEqual([0, 0, 0]);
  }
});
