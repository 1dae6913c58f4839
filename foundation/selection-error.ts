/**
 * Error of a ranking or selection with an invalid argument: one line with the argument, its value
 * and what would be right.
 */
export class SelectionError extends RangeError {
  override readonly name = 'SelectionError';
}
