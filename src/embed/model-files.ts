/** The files of a model folder: looked for, read and fingerprinted; each failure is typed and names its file. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type ErrorCode, NearpinError } from '../lib/errors.ts';

export const CONFIG = 'config.json';
export const TOKENIZER = 'tokenizer.json';
export const TOKENIZER_CONFIG = 'tokenizer_config.json';

/** Hex digits of a revision: 48 bits tell the models of one deployment apart. */
const REVISION_DIGITS = 12;

/** An error about a whole file: what is wrong with it. */
export function errorIn(code: ErrorCode, file: string, message: string, cause?: unknown): NearpinError {
  return new NearpinError(code, `${file}: ${message}`, [{ path: file, message }], { cause });
}

/** What a failed call of node:fs on `file` becomes: `missing_file` or `io_error`. */
export function fileError(file: string, cause: unknown): NearpinError {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR')
    return errorIn('missing_file', file, 'there is no such file', cause);
  return errorIn('io_error', file, message, cause);
}

export async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}

export async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

/** A file that holds one JSON object. Rejects with `missing_file`, `corrupt_file` or `io_error`. */
export async function readJsonObject(file: string): Promise<Record<string, unknown>> {
  const text = await readFile(file, 'utf8').catch((cause) => {
    throw fileError(file, cause);
  });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw errorIn('corrupt_file', file, `is not JSON (${(cause as Error).message})`, cause);
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw errorIn('corrupt_file', file, 'is not a JSON object');
  return json as Record<string, unknown>;
}

/**
 * The revision of a model: the first 12 hex digits of SHA-256 over how it is used and the names, sizes and bytes of
 * its files, so that neither a changed byte nor a changed use goes unseen. Files are read as a stream.
 */
export async function revisionOf(
  folder: string,
  files: readonly string[],
  use: readonly unknown[],
): Promise<string> {
  const hash = createHash('sha256').update(`${JSON.stringify(use)}\n`);
  for (const name of files) {
    const file = join(folder, name);
    try {
      hash.update(`${name} ${(await stat(file)).size}\n`);
      for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk);
    } catch (cause) {
      throw fileError(file, cause);
    }
  }
  return hash.digest('hex').slice(0, REVISION_DIGITS);
}
