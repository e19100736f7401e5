/** What was written, or renamed, onto the disk. */
import { open } from 'node:fs/promises';

/** Brings a file, or the names in a directory, to the disk. Windows does neither for a file opened to read. */
export async function syncPath(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
