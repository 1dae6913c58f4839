/** Cost of an analysis, measured on a part of its sample. */
export interface AnalysisCost {
  /** Sequences of the whole sample; with `samples` `auto` the most that it may draw. */
  sequences: number;
  /** Sequences that were measured, at most {@link AnalysisCost.sequences}. */
  measured: number;
  /** Wall time of the whole analysis, with the start of its process. */
  seconds: number;
  /** Highest resident memory of the processes in which it ran, in bytes. */
  peakBytes: number;
}
