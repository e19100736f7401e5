/**
 * Aliases of the indexes in a directory: other names that they go by, as a JSON object in one file that is replaced by
 * a rename, so that at every moment an alias stands for one index.
 */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { corruptFile, fileError } from './file-error.ts';
import { syncPath } from './sync-path.ts';

const ALIASES_FILE = '.aliases.json';

/** Index by alias; none when there is no file. Throws corrupt_file or io_error. */
export async function readAliases(indexesDir: string): Promise<Map<string, string>> {
  const path = join(indexesDir, ALIASES_FILE);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
    throw fileError(error, path);
  }
  try {
    const aliases = Object.entries(JSON.parse(text) as Record<string, unknown>);
    if (aliases.every((entry): entry is [string, string] => typeof entry[1] === 'string'))
      return new Map(aliases);
  } catch (error) {
    throw corruptFile(path, 'is not JSON', error);
  }
  throw corruptFile(path, 'does not hold names of indexes');
}

/** Replaces all aliases, durably. Throws io_error; nothing is changed then. */
export async function writeAliases(indexesDir: string, aliases: ReadonlyMap<string, string>): Promise<void> {
  const path = join(indexesDir, ALIASES_FILE);
  const temporary = `${path}.${process.pid}`;
  try {
    await mkdir(indexesDir, { recursive: true });
    const text = `${JSON.stringify(Object.fromEntries([...aliases].sort()), null, 2)}\n`;
    await writeFile(temporary, text, { flush: true });
    await rename(temporary, path);
    await syncPath(indexesDir);
  } catch (error) {
    throw fileError(error, path, null);
  }
}
