/** Lower-cases each character by itself, as Rust does: a word's last Σ becomes σ. */
export const lowerCase = (text: string): string => text.replaceAll('Σ', 'σ').toLowerCase();
