/** Where an engine computes: `auto` takes CUDA where it works and the CPU else; `cuda` fails where it does not. */
export type Device = 'auto' | 'cpu' | 'cuda';
