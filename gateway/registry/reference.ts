import { invalidValue, shown } from '../../foundation/errors';

/** Reference to a registered delta: NAME (its newest version), NAME@ALIAS or NAME:VERSION. */
export interface Reference {
  name: string;
  alias?: string;
  version?: number;
}

/** Form of names and aliases. */
const NAME = '[A-Za-z0-9][\\w.-]{0,63}';
const NAME_RULE = '1 to 64 letters, digits, dots, underscores and hyphens, the first a letter or digit';
const REFERENCE = new RegExp(`^(${NAME})(?:@(${NAME})|:([1-9]\\d{0,8}))?$`);

/** @throws HifiError INVALID_INPUT naming the field */
export function checkName(name: string, field: string): void {
  if (new RegExp(`^${NAME}$`).test(name)) return;
  throw invalidValue({ field, value: shown(name), expected: NAME_RULE });
}

/** @throws HifiError INVALID_INPUT of the field `reference` */
export function parseReference(text: string): Reference {
  const [matches, name, alias, version] = REFERENCE.exec(text) ?? [];
  if (matches === undefined) {
    const expected = 'NAME, NAME@ALIAS or NAME:VERSION, such as sentiment@prod or sentiment:3';
    throw invalidValue({ field: 'reference', value: shown(text), expected });
  }
  return { name, ...(alias !== undefined && { alias }), ...(version !== undefined && { version: Number(version) }) };
}
