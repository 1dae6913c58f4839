/** Each character in lower case by itself, as Rust has it: a word's last Σ is no exception. */
export const lowerCase = (text: string): string => text.replaceAll('Σ', 'σ').toLowerCase();
