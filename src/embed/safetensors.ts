/**
 * The safetensors format (Hugging Face): u64 length of the header, the header in JSON, then the tensors' bytes.
 * The header maps each tensor's name to `{dtype, shape, data_offsets: [begin, end]}`, offsets counted from the end
 * of the header. The file may come from anywhere, so each length and offset is checked before it is used: a
 * damaged file is a `corrupt_file` that names the file and the tensor.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { errorIn, fileError } from './model-files.ts';

export interface TensorInfo {
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Byte range in the data that follows the header. */
  readonly begin: number;
  readonly end: number;
}

const PREFIX_BYTES = 8;
/** The limit of the format's reference implementation. */
const HEADER_BYTES_MAX = 100_000_000;
/** Bytes an element; only what an embedding table may be stored in is read. */
const READABLE: Readonly<Record<string, number>> = { F32: 4, F16: 2 };
/** One read call takes less than 2 GiB. */
const READ_BYTES_MAX = 1 << 30;

/** Bytes of the header, from the file's first 8 bytes (fewer when it is shorter) and its size. */
export function headerBytes(prefix: Uint8Array, fileBytes: number, file: string): number {
  if (prefix.length < PREFIX_BYTES) throw errorIn('corrupt_file', file, 'the file is too short for a header');
  const length = new DataView(prefix.buffer, prefix.byteOffset, PREFIX_BYTES).getBigUint64(0, true);
  const most = Math.min(HEADER_BYTES_MAX, fileBytes - PREFIX_BYTES);
  if (length > most)
    throw errorIn('corrupt_file', file, `the header says ${length} bytes, at most ${most} are there`);
  return Number(length);
}

/** The tensors of a header, each within the `dataBytes` that follow it; together they reach the end of the file. */
export function parseHeader(
  header: Uint8Array,
  dataBytes: number,
  file: string,
): ReadonlyMap<string, TensorInfo> {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(header));
  } catch (cause) {
    throw errorIn('corrupt_file', file, `the header is not JSON (${(cause as Error).message})`);
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw errorIn('corrupt_file', file, 'the header is not an object');
  const tensors = new Map<string, TensorInfo>();
  let reached = 0;
  for (const [name, value] of Object.entries(json)) {
    if (name === '__metadata__') continue;
    const info = parseTensor(value, dataBytes, file, name);
    tensors.set(name, info);
    reached = Math.max(reached, info.end);
  }
  if (reached !== dataBytes)
    throw errorIn(
      'corrupt_file',
      file,
      `the tensors end at byte ${reached} of ${dataBytes}, so the file is cut or padded`,
    );
  return tensors;
}

function parseTensor(value: unknown, dataBytes: number, file: string, name: string): TensorInfo {
  const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>;
  if (typeof dtype !== 'string') throw errorIn('corrupt_file', file, `tensor ${name}: dtype is not a string`);
  if (!isNaturals(shape))
    throw errorIn('corrupt_file', file, `tensor ${name}: shape is not a list of whole numbers`);
  if (!isNaturals(offsets) || offsets.length !== 2)
    throw errorIn('corrupt_file', file, `tensor ${name}: data_offsets is not a pair of whole numbers`);
  const [begin, end] = offsets as [number, number];
  if (begin > end || end > dataBytes)
    throw errorIn(
      'corrupt_file',
      file,
      `tensor ${name}: bytes ${begin} to ${end} do not lie within the ${dataBytes} there are`,
    );
  return { dtype, shape, begin, end };
}

function isNaturals(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}

/**
 * A tensor's bytes as numbers, f32[shape product]. `corrupt_file` when the bytes do not fit the shape or a number
 * is not finite, `model_unavailable` for a dtype that is not read.
 */
export function decodeTensor(bytes: Uint8Array, info: TensorInfo, file: string, name: string): Float32Array {
  const elementBytes = READABLE[info.dtype];
  if (elementBytes === undefined) {
    const message = `tensor ${name}: dtype ${info.dtype} is not read, only ${Object.keys(READABLE).join(', ')}`;
    throw errorIn('model_unavailable', file, message);
  }
  const count = info.shape.reduce((product, size) => product * size, 1);
  if (bytes.length !== count * elementBytes)
    throw errorIn(
      'corrupt_file',
      file,
      `tensor ${name}: ${bytes.length} bytes for shape [${info.shape}] of ${info.dtype}`,
    );
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const numbers = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const number =
      elementBytes === 4 ? view.getFloat32(i * 4, true) : halfToFloat(view.getUint16(i * 2, true));
    if (!Number.isFinite(number))
      throw errorIn('corrupt_file', file, `tensor ${name}: number ${i} is not finite`);
    numbers[i] = number;
  }
  return numbers;
}

/** IEEE 754 binary16: 1 sign bit, 5 of exponent (bias 15), 10 of fraction. */
function halfToFloat(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

interface Opened {
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly handle: FileHandle;
  /** Where in the file the tensors' bytes begin. */
  readonly dataStart: number;
}

async function withFile<T>(file: string, use: (opened: Opened) => Promise<T> | T): Promise<T> {
  const handle = await open(file).catch((cause) => {
    throw fileError(file, cause);
  });
  try {
    const { size } = await handle.stat();
    const bytes = headerBytes(await readRange(handle, 0, Math.min(size, PREFIX_BYTES), file), size, file);
    const dataStart = PREFIX_BYTES + bytes;
    const header = await readRange(handle, PREFIX_BYTES, bytes, file);
    return await use({ tensors: parseHeader(header, size - dataStart, file), handle, dataStart });
  } finally {
    await handle.close();
  }
}

async function readRange(
  handle: FileHandle,
  position: number,
  length: number,
  file: string,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const ask = Math.min(length - done, READ_BYTES_MAX);
    const { bytesRead } = await handle.read(bytes, done, ask, position + done).catch((cause) => {
      throw fileError(file, cause);
    });
    if (bytesRead === 0) throw errorIn('corrupt_file', file, `the file ends at byte ${position + done}`);
    done += bytesRead;
  }
  return bytes;
}

/** The tensors that a file declares; reads its header only. Rejects with `missing_file`, `corrupt_file`, `io_error`. */
export function readTensorInfos(file: string): Promise<ReadonlyMap<string, TensorInfo>> {
  return withFile(file, ({ tensors }) => tensors);
}

/** A file's tensor `name` and its shape. Rejects as `readTensorInfos` and `decodeTensor` do. */
export function readTensor(
  file: string,
  name: string,
): Promise<{ readonly shape: readonly number[]; readonly numbers: Float32Array }> {
  return withFile(file, async ({ tensors, handle, dataStart }) => {
    const info = tensors.get(name);
    if (info === undefined) throw errorIn('corrupt_file', file, `tensor ${name}: is not in the file`);
    const bytes = await readRange(handle, dataStart + info.begin, info.end - info.begin, file);
    return { shape: info.shape, numbers: decodeTensor(bytes, info, file, name) };
  });
}
