/** Faults of the file system, and of files, as errors of nearpin that name the file. */
import { type ErrorCode, NearpinError } from '../lib/errors.ts';

/** The disk, or what this user may have of it, is used up. */
const FULL: readonly (string | undefined)[] = ['ENOSPC', 'EDQUOT'];

/**
 * What to throw when the file system refused: disk_full when it has no room, `missing` when there is no such file, else
 * io_error, also for that when `missing` is null, which is for writing. An error that is nearpin's own already stays as it is.
 */
export function fileError(
  error: unknown,
  path: string,
  missing: ErrorCode | null = 'missing_file',
): NearpinError {
  if (error instanceof NearpinError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (missing !== null && (code === 'ENOENT' || code === 'ENOTDIR')) {
    return new NearpinError(missing, `${path} does not exist`, [{ path, message: 'does not exist' }], {
      cause: error,
    });
  }
  return new NearpinError(
    FULL.includes(code) ? 'disk_full' : 'io_error',
    `${path}: ${message}`,
    [{ path, message }],
    { cause: error },
  );
}

/** A corrupt_file error about `path`. */
export function corruptFile(path: string, message: string, cause?: unknown): NearpinError {
  return new NearpinError('corrupt_file', `${path} ${message}`, [{ path, message }], { cause });
}
