/**
 * Device on which an engine computes. `auto` uses CUDA if it works, else the CPU; `cuda` fails if
 * CUDA does not work.
 */
export type Device = 'auto' | 'cpu' | 'cuda';
