/** Seconds measured at one length. */
export interface Point {
  /** Tokens. */
  at: number;
  seconds: number;
}

/**
 * Seconds at a length, from those at others: linear between two of them, in proportion to the
 * length below the shortest and above the longest.
 */
export function interpolate(points: readonly Point[], at: number): number {
  const sorted = points.toSorted((a, b) => a.at - b.at);
  const above = sorted.findIndex((point) => point.at >= at);
  if (above === 0 || above < 0) {
    const nearest = above === 0 ? sorted[0] : sorted[sorted.length - 1];
    return (nearest.seconds * at) / nearest.at;
  }
  const [low, high] = [sorted[above - 1], sorted[above]];
  return low.seconds + ((high.seconds - low.seconds) * (at - low.at)) / (high.at - low.at);
}
