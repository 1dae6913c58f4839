/** An argument of a ranking or a selection that cannot be meant: one line that names it, what it was and what would be right. */
export class SelectionError extends RangeError {
  override readonly name = 'SelectionError';
}
