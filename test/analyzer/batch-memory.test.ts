import { buffersOf, release } from '../../analyzer/batch-memory';

const MEGABYTE = 1 << 20;

/** Two layers' outputs of two megabytes each. */
const batch = () => ({
  layers: [
    { gram: new Float64Array(MEGABYTE / 8), tokenSum: new Float64Array(MEGABYTE / 8) },
    { context: new Float32Array(MEGABYTE / 2) },
  ],
});

it('frees what it is given without the collector, at any time', async () => {
  // The closing of the port is heard of when the event loop turns.
  await new Promise((resolve) => setTimeout(resolve, 20));
  for (let turn = 0; turn < 3; turn++) {
    const outputs = batch();
    const held = process.memoryUsage().arrayBuffers;
    release(outputs);
    expect(held - process.memoryUsage().arrayBuffers).toBeGreaterThanOrEqual(4 * MEGABYTE);
    expect(buffersOf(outputs).map((buffer) => buffer.byteLength)).toEqual([0, 0, 0]);
  }
});
