import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { invalidInput } from '../../foundation/errors';
import { oneLine } from '../../foundation/json-file';
import { otherContent, readRegularFile } from '../../foundation/regular-file';

/** Names that SentencePiece models have in a model folder. */
export const SENTENCEPIECE_FILES: readonly string[] = [
  'sentencepiece.bpe.model',
  'spm.model',
  'spiece.model',
  'tokenizer.model',
];

export const isSentencePiece = (name: string) => SENTENCEPIECE_FILES.includes(name);

/** Kinds of pieces that are added tokens, by their numbers in the file. */
const CONTROL = 3;
const USER_DEFINED = 4;
/** Types of models by their numbers in the file. */
const TYPES: Readonly<Record<number, SentencePieceModel['type']>> = { 1: 'Unigram', 2: 'BPE' };

/** Piece of a SentencePiece model. */
export interface SentencePiece {
  piece: string;
  /** Log probability of a Unigram piece. */
  score: number;
  /** Present for pieces that are found in the text itself: `special` for control pieces. */
  added?: { special: boolean };
}

/** SentencePiece model as its file stores it (ModelProto of sentencepiece_model.proto). */
export interface SentencePieceModel {
  type: 'Unigram' | 'BPE';
  /** Pieces by id. */
  pieces: SentencePiece[];
  /** Roles of pieces; an id is −1 if the model has no such piece. */
  unknown: { id: number; piece: string };
  start: { id: number; piece: string };
  end: { id: number; piece: string };
  /** Whether a character without a piece becomes the pieces of its bytes. */
  byteFallback: boolean;
  /** Precompiled character map of the normalizer, base64; undefined for none. */
  charsmap: string | undefined;
}

/**
 * Reads a SentencePiece model.
 * @throws HifiError INVALID_INPUT, one line with the file and its fault
 */
export function readSentencePiece(file: string): SentencePieceModel {
  const bytes = readRegularFile(file);
  if (bytes === undefined) throw invalidInput(`${file}: no such file`);
  const other = otherContent(bytes);
  if (other !== undefined) throw invalidInput(`${file}: ${other}`);
  try {
    return parseModel(bytes);
  } catch (cause) {
    throw invalidInput(`${file}: is no SentencePiece model (${oneLine(cause)})`, cause);
  }
}

function parseModel(bytes: Uint8Array): SentencePieceModel {
  const model: SentencePieceModel = {
    type: 'Unigram',
    pieces: [],
    unknown: { id: 0, piece: '<unk>' },
    start: { id: 1, piece: '<s>' },
    end: { id: 2, piece: '</s>' },
    byteFallback: false,
    charsmap: undefined,
  };
  const { unknown, start, end } = model;
  const idOf = (role: { id: number }) => (id: number) => {
    role.id = id;
  };
  const pieceOf = (role: { piece: string }) => (text: Uint8Array) => {
    role.piece = Buffer.from(text).toString('utf8');
  };
  const trainer: FieldReaders = {
    integers: {
      3: (type) => {
        const found = TYPES[type];
        if (found === undefined) throw new Error(`its type is ${type}; supported: 1 (Unigram), 2 (BPE)`);
        model.type = found;
      },
      35: (flag) => {
        model.byteFallback = flag !== 0;
      },
      40: idOf(unknown),
      41: idOf(start),
      42: idOf(end),
    },
    bytes: { 45: pieceOf(unknown), 46: pieceOf(start), 47: pieceOf(end) },
  };
  const normalizer: FieldReaders = {
    bytes: {
      2: (map) => {
        model.charsmap = Buffer.from(map).toString('base64') || undefined;
      },
    },
  };
  readFields(bytes, {
    bytes: {
      1: (piece) => model.pieces.push(parsePiece(piece)),
      2: (message) => readFields(message, trainer),
      3: (message) => readFields(message, normalizer),
    },
  });
  if (model.pieces.length === 0) throw new Error('it has no pieces');
  return model;
}

function parsePiece(bytes: Uint8Array): SentencePiece {
  const piece: SentencePiece = { piece: '', score: 0 };
  readFields(bytes, {
    bytes: {
      1: (text) => {
        piece.piece = Buffer.from(text).toString('utf8');
      },
    },
    floats: {
      2: (score) => {
        piece.score = score;
      },
    },
    integers: {
      3: (type) => {
        if (type === CONTROL || type === USER_DEFINED) piece.added = { special: type === CONTROL };
      },
    },
  });
  return piece;
}

/** Readers of a message's fields by their type on the wire and their numbers. */
interface FieldReaders {
  bytes?: Readonly<Record<number, (value: Uint8Array) => void>>;
  integers?: Readonly<Record<number, (value: number) => void>>;
  floats?: Readonly<Record<number, (value: number) => void>>;
}

/** Reads those fields of a message that have a reader, and skips the others. */
function readFields(bytes: Uint8Array, { bytes: ofBytes, integers, floats }: FieldReaders): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (type === WireType.LengthDelimited && ofBytes?.[field]) ofBytes[field](reader.bytes());
    else if (type === WireType.Varint && integers?.[field]) integers[field](reader.int32());
    else if (type === WireType.Bit32 && floats?.[field]) floats[field](reader.float());
    else reader.skip(type, field);
  }
}
