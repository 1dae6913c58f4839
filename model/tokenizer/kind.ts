import { isJsonObject, shown } from '../json-file';

/** Message for a part of tokenizer.json of a kind that is not read: it names the kind found and those that are read. */
export const unknownKind =
  (part: string, kinds: readonly string[]) =>
  ({ input }: { input?: unknown }): string => {
    const type = isJsonObject(input) ? input.type : input;
    return `its ${part} is of the kind ${shown(type)}; supported: ${kinds.join(', ')}`;
  };
