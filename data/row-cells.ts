import { invalidInput } from '../foundation/errors';
import type { Column, Layout } from './columns';
import { fieldsOf, type TableRecord } from './records';

/** Cells of one row of a file, with the errors for them. */
export class RowCells {
  /**
   * @param path file, for messages
   * @param number number of the row in the file
   */
  constructor(
    private readonly path: string,
    private readonly number: number,
    readonly record: TableRecord,
    readonly layout: Layout,
  ) {}

  /**
   * Text of a cell.
   * @param mayBeEmpty true if a cell of nothing but white space is valid
   * @throws HifiError INVALID_INPUT for a missing cell, or one of white space
   */
  text({ name, at }: Column, mayBeEmpty = false): string {
    const value = this.record.field(at);
    if (value === undefined) throw this.lacks(name);
    if (mayBeEmpty || value.trim() !== '') return value;
    throw this.refused(`has nothing in the column "${name}": ${this.excerpt()}`);
  }

  /** Checks the number of fields. @throws HifiError INVALID_INPUT if it is not the header's */
  checkWidth(): void {
    const { record } = this;
    const { names, lenient } = this.layout;
    if (lenient || record.width === names.length) return;
    if (record.width < names.length) throw this.lacks(names[record.width]);
    throw this.refused(`has ${record.width} fields, the header has ${names.length}: ${this.excerpt()}`);
  }

  /** Error that names the row. @param what the row's fault, from the verb on */
  refused(what: string) {
    const line = this.record.line === undefined ? '' : ` (line ${this.record.line})`;
    return invalidInput(`${this.path}: row ${this.number}${line} ${what}`);
  }

  /** Error for a missing field or value. */
  private lacks(name: string) {
    const { record, layout } = this;
    const { names } = layout;
    if (record.width >= names.length) return this.refused(`has no value in the column "${name}"`);
    const found = `${record.width} field${record.width === 1 ? '' : 's'} of ${names.length}`;
    return this.refused(`has no column "${name}": ${found}, ${this.excerpt()}`);
  }

  private excerpt(): string {
    const text = fieldsOf(this.record).join(' | ');
    return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
  }
}
