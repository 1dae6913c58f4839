/** Sets these OTEL_* variables and no others. */
export function setOtel(variables: Record<string, string>): void {
  for (const name of Object.keys(process.env)) if (name.startsWith('OTEL_')) delete process.env[name];
  Object.assign(process.env, variables);
}
