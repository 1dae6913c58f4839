/** Value with its interval; null without one. */
interface Estimate {
  value: number;
  interval: { low: number; high: number } | null;
}

const interval = ({ interval }: Estimate, text: (value: number) => string) =>
  interval ? ` (${text(interval.low)} to ${text(interval.high)})` : '';

/** Value with its interval: `0.0725 (0.0578 to 0.0821)`. */
export const metricValue = (estimate: Estimate) => {
  const text = (value: number) => value.toFixed(4).replace('-', '−');
  return text(estimate.value) + interval(estimate, text);
};

/** Difference with its interval: `+0.0301 (+0.0232 to +0.0354)`. */
export const signedValue = (estimate: Estimate) => {
  const text = (value: number) => `${value > 0 ? '+' : ''}${value.toFixed(4).replace('-', '−')}`;
  return text(estimate.value) + interval(estimate, text);
};

/** Seconds: `4.1 s`. */
export const secondsValue = (seconds: number) => `${seconds < 99.95 ? seconds.toFixed(1) : Math.round(seconds)} s`;
