/**
 * Tiny model folders for tests, made from nothing: a static model (safetensors) and a neural one (ONNX, written
 * with a protobuf encoder of a few lines). Both have the vocabulary below, and both look up the same table.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

const SPECIAL = ['[PAD]', '[UNK]', '[CLS]', '[SEP]'];
const WORDS = ['red', 'blue', 'lamp', 'chair', '##s', 'query', ':', 'a', 'big', 'old'];
export const TINY_TOKENS = [...SPECIAL, ...WORDS];
export const TINY_DIM = 4;

/** The vector of a token: whole numbers of small size, exact in f16, different for each token. */
export function tinyRow(token: string): number[] {
  const id = TINY_TOKENS.indexOf(token);
  return Array.from({ length: TINY_DIM }, (_, d) => ((id * 7 + d * d * 3 + 5) % 11) - 5);
}

const TABLE = new Float32Array(TINY_TOKENS.flatMap(tinyRow));

/** A new folder below the system's temporary one, removed after the test. */
export async function scratch(t: Pick<TestContext, 'after'>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'nearpin-embed-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Skips the test, and says so by true, where neither of the optional libraries is installed. */
export function skipWithoutLibrary(t: Pick<TestContext, 'skip'>): boolean {
  for (const name of ['@huggingface/transformers', '@xenova/transformers']) {
    try {
      import.meta.resolve(name);
      return false;
    } catch {}
  }
  t.skip('the optional dependency @xenova/transformers is not installed');
  return true;
}

/** WordPiece over the tiny vocabulary; the neural model also frames a text in [CLS] and [SEP]. */
function tokenizerJson(framed: boolean): object {
  const special = (content: string) => ({ id: TINY_TOKENS.indexOf(content), type_id: 0, content });
  const piece = (name: string) => ({ SpecialToken: { id: name, type_id: 0 } });
  const text = (id: string) => ({ Sequence: { id, type_id: 0 } });
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: SPECIAL.map((content) => ({
      id: special(content).id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: framed
      ? {
          type: 'TemplateProcessing',
          single: [piece('[CLS]'), text('A'), piece('[SEP]')],
          pair: [piece('[CLS]'), text('A'), piece('[SEP]'), text('B'), piece('[SEP]')],
          special_tokens: Object.fromEntries(
            ['[CLS]', '[SEP]'].map((name) => [name, { id: name, ids: [special(name).id], tokens: [name] }]),
          ),
        }
      : null,
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(TINY_TOKENS.map((token, id) => [token, id])),
    },
  };
}

const TOKENIZER_CONFIG = {
  tokenizer_class: 'BertTokenizer',
  model_max_length: 64,
  pad_token: '[PAD]',
  unk_token: '[UNK]',
  cls_token: '[CLS]',
  sep_token: '[SEP]',
};

/** Writes a static model; returns its folder. */
export async function writeStaticModel(
  folder: string,
  { half = false, normalize = true as unknown, tensor = 'embeddings' } = {},
): Promise<string> {
  await mkdir(folder, { recursive: true });
  await writeFile(
    join(folder, 'config.json'),
    JSON.stringify({ model_type: 'model2vec', ...(normalize !== 'absent' && { normalize }) }),
  );
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(tokenizerJson(false)));
  await writeFile(join(folder, 'model.safetensors'), tinySafetensors(half, tensor));
  return folder;
}

/** The tiny table as a safetensors file, f32 or f16. */
export function tinySafetensors(half = false, tensor = 'embeddings'): Buffer {
  const data = Buffer.from(half ? Uint16Array.from(TABLE, toHalf).buffer : TABLE.slice().buffer);
  return safetensors(
    {
      [tensor]: {
        dtype: half ? 'F16' : 'F32',
        shape: [TINY_TOKENS.length, TINY_DIM],
        data_offsets: [0, data.length],
      },
    },
    data,
  );
}

/** A safetensors file with any header, right or wrong. */
export function safetensors(header: unknown, data: Uint8Array): Buffer {
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, data]);
}

/** binary16 of a whole number in -2047..2047. */
function toHalf(value: number): number {
  if (value === 0) return 0;
  const exponent = Math.floor(Math.log2(Math.abs(value)));
  const fraction = (Math.abs(value) / 2 ** exponent - 1) * 1024;
  return (value < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | fraction;
}

/**
 * Writes a transformers model: the network is one lookup in the table, so its mean is that of the static model with
 * [CLS] and [SEP] counted in. Unframed, it adds no special tokens.
 */
export async function writeOnnxModel(folder: string, { framed = true } = {}): Promise<string> {
  await mkdir(join(folder, 'onnx'), { recursive: true });
  await writeFile(
    join(folder, 'config.json'),
    JSON.stringify({ model_type: 'bert', hidden_size: TINY_DIM, vocab_size: TINY_TOKENS.length }),
  );
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(tokenizerJson(framed)));
  await writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify(TOKENIZER_CONFIG));
  await writeFile(join(folder, 'onnx/model.onnx'), lookupNetwork());
  return folder;
}

// Protobuf: a message is its fields one after the other, each a key (field number << 3 | wire type), then a varint
// (wire type 0) or a length and bytes (wire type 2). Strings and messages are bytes.
type Field = readonly [field: number, value: number | string | Uint8Array];

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(Math.floor(value / 128))];
}

function message(...fields: readonly Field[]): Buffer {
  const parts = fields.map(([field, value]) => {
    if (typeof value === 'number') return Buffer.from([...varint(field << 3), ...varint(value)]);
    const bytes = Buffer.from(value as Uint8Array);
    return Buffer.concat([Buffer.from([...varint((field << 3) | 2), ...varint(bytes.length)]), bytes]);
  });
  return Buffer.concat(parts);
}

/** The ONNX file: last_hidden_state = Gather(table, input_ids). Field numbers are those of onnx.proto. */
function lookupNetwork(): Buffer {
  const float = 1;
  const int64 = 7;
  const dimension = (size: number | string): Field => [
    1,
    message(typeof size === 'number' ? [1, size] : [2, size]),
  ];
  const valueInfo = (name: string, type: number, sizes: readonly (number | string)[]) =>
    message([1, name], [2, message([1, message([1, type], [2, message(...sizes.map(dimension))])])]);
  const gather = message(
    [1, 'table'],
    [1, 'input_ids'],
    [2, 'last_hidden_state'],
    [3, 'lookup'],
    [4, 'Gather'],
  );
  const table = message(
    [1, TINY_TOKENS.length],
    [1, TINY_DIM],
    [2, float],
    [8, 'table'],
    [9, new Uint8Array(TABLE.buffer)],
  );
  const graph = message(
    [1, gather],
    [2, 'tiny'],
    [5, table],
    [11, valueInfo('input_ids', int64, ['texts', 'tokens'])],
    [11, valueInfo('attention_mask', int64, ['texts', 'tokens'])],
    [12, valueInfo('last_hidden_state', float, ['texts', 'tokens', TINY_DIM])],
  );
  const irVersion = 7;
  const opset = message([1, ''], [2, 13]);
  return message([1, irVersion], [7, graph], [8, opset]);
}
