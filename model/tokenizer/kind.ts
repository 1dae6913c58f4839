import { shown } from '../../foundation/errors';
import { isJsonObject } from '../../foundation/json-file';

/**
 * Message for a part of tokenizer.json of an unsupported kind: it names the kind and the supported
 * ones.
 */
export const unknownKind =
  (part: string, kinds: readonly string[]) =>
  ({ input }: { input?: unknown }): string => {
    const type = isJsonObject(input) ? input.type : input;
    return `its ${part} is of the kind ${shown(type)}; supported: ${kinds.join(', ')}`;
  };
