/** Roles of tokens, the weakest first. Each may do what the earlier ones may. */
export const ROLES = ['infer', 'run', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** Role that each method needs, by service. */
export const NEEDED: Readonly<Record<string, Readonly<Record<string, Role>>>> = {
  'hifi.v1.InferenceService': { Classify: 'infer' },
  'hifi.v1.RegistryService': {
    GetDelta: 'infer',
    ListDeltas: 'infer',
    RegisterDelta: 'run',
    SetAlias: 'admin',
    DeleteDelta: 'admin',
  },
  'hifi.v1.AnalyzerService': { Analyze: 'run', MergeStatistics: 'run', CalibrateAnalysis: 'run', DescribeModel: 'run' },
  'hifi.v1.TrainerService': {
    ScoreHeads: 'run',
    Train: 'run',
    CalibrateTraining: 'run',
    Evaluate: 'run',
    Predict: 'run',
    Export: 'run',
  },
  'hifi.v1.GatewayService': {
    CreateJob: 'run',
    GetJob: 'run',
    ListJobs: 'run',
    CancelJob: 'run',
    WatchJob: 'run',
    EstimateJob: 'run',
    DeleteJob: 'admin',
  },
  'hifi.v1.ArtifactService': {
    UploadArtifact: 'run',
    GetUpload: 'run',
    DownloadArtifact: 'run',
    ListArtifacts: 'run',
  },
};

/**
 * Role that a method needs. Other packages' methods, such as reflection, need any token; a method
 * of the contract that the table lacks needs the strongest.
 *
 * @param method such as `hifi.v1.AnalyzerService/Analyze`
 */
export function roleFor(method: string): Role {
  const [service, name] = method.split('/');
  return NEEDED[service]?.[name] ?? (method.startsWith('hifi.') ? 'admin' : 'infer');
}

/** Returns true if a role may do what needs another. */
export const suffices = (role: Role, needed: Role) => ROLES.indexOf(role) >= ROLES.indexOf(needed);
