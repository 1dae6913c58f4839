import { graphemesOf } from './graphemes';

/** Clusters of at least this many UTF-8 bytes are looked up character by character. */
const CLUSTER_BYTES = 6;

/** Printable ASCII. */
const PLAIN = /^[\x20-\x7e]*$/;

/**
 * Creates a normalizer from SentencePiece's precompiled character map, such as `nmt_nfkc`. The map
 * is a little-endian uint32 with the size of a Darts-clone double-array trie, the trie, and the
 * replacements. Each replacement ends with a zero byte; the trie's values are offsets of
 * replacements.
 *
 * The map is applied as in Hugging Face's `spm_precompiled`. The shortest key with which a short
 * grapheme cluster begins replaces the whole cluster. Longer clusters are replaced character by
 * character.
 *
 * @param base64 `precompiled_charsmap` of tokenizer.json
 */
export function charsmap(base64: string): (text: string) => string {
  const bytes = Buffer.from(base64, 'base64');
  const trieBytes = bytes.length < 4 ? -1 : bytes.readUInt32LE(0);
  if (trieBytes < 4 || trieBytes % 4 !== 0 || 4 + trieBytes > bytes.length) {
    throw new Error('precompiled_charsmap is no character map');
  }
  const trie = new Uint32Array(trieBytes / 4);
  for (let i = 0; i < trie.length; i++) trie[i] = bytes.readUInt32LE(4 + 4 * i);
  const replacements = bytes.subarray(4 + trieBytes);

  const lookUp = (text: string): string | undefined => {
    const at = shortestPrefix(trie, Buffer.from(text));
    return at < 0 ? undefined : replacements.toString('utf8', at, replacements.indexOf(0, at));
  };
  const seen = new Map<string, string>();
  const replaced = (grapheme: string): string => {
    let replacement = seen.get(grapheme);
    if (replacement === undefined) {
      const whole = Buffer.byteLength(grapheme) < CLUSTER_BYTES ? lookUp(grapheme) : undefined;
      replacement = whole ?? Array.from(grapheme, (character) => lookUp(character) ?? character).join('');
      if (seen.size >= 10_000) seen.clear();
      seen.set(grapheme, replacement);
    }
    return replacement;
  };

  const ascii = Array.from({ length: 0x7f - 0x20 }, (_, i) => String.fromCharCode(0x20 + i));
  const keepsPlain = ascii.every((character) => replaced(character) === character);
  return (text) => {
    if (keepsPlain && PLAIN.test(text)) return text;
    let normal = '';
    for (const grapheme of graphemesOf(text)) normal += replaced(grapheme);
    return normal;
  };
}

/** Value of the shortest key with which `text` begins; −1 if there is none. */
function shortestPrefix(trie: Uint32Array, text: Uint8Array): number {
  let at = offsetOf(trie[0]);
  for (const byte of text) {
    if (byte === 0) return -1;
    at ^= byte;
    const unit = trie[at] ?? 0;
    if ((unit & 0x800000ff) !== byte) return -1;
    at ^= offsetOf(unit);
    if (unit & 0x100) return (trie[at] ?? 0) & 0x7fffffff;
  }
  return -1;
}

const offsetOf = (unit: number) => (unit >>> 10) << ((unit & 0x200) >>> 6);
