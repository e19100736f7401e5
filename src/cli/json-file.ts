/** JSON files that a person may have written: bounded, and errors say what is wrong with which. */
import { readFile } from 'node:fs/promises';
import { errorAt, NearpinError } from '../lib/errors.ts';

const BYTES_MAX = 4 * 1024 * 1024;

/** Throws bad_config when it is no JSON, io_error when it cannot be read. */
export async function readJson(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new NearpinError('io_error', `${path}: ${(cause as Error).message}`, [], { cause });
  }
  if (text.length > BYTES_MAX) throw errorAt('bad_config', '', `${path} is over ${BYTES_MAX} bytes`);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw errorAt('bad_config', '', `is not JSON: ${(error as Error).message}`);
  }
}

/** The same; undefined when there is no such file. */
export async function readJsonIfThere(path: string): Promise<unknown> {
  try {
    return await readJson(path);
  } catch (error) {
    const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw error;
  }
}

/** What `parse` makes of a JSON file. Throws as it does, and as readJson; the message names the file. */
export async function readJsonAs<Value>(path: string, parse: (input: unknown) => Value): Promise<Value> {
  try {
    return parse(await readJson(path));
  } catch (error) {
    const { code = 'internal', message, details } = error as NearpinError;
    throw message.includes(path)
      ? error
      : new NearpinError(code, `${path}: ${message}`, details, { cause: error });
  }
}
