/**
 * A file, or files that belong together, that may change under a process that runs. It is looked at every now and then,
 * which works on every file system and misses no rename; a change is taken once two looks in a row have seen the same file,
 * so that one that is half written, or gone for the blink of a replacement, is not taken for the new state.
 */
import { stat } from 'node:fs/promises';

/** Time between two looks. */
export const LOOK_MS = 500;
/** How a file looks that is not there. */
const NONE = 'none';

export class WatchedFile {
  readonly path: string;
  readonly #others: readonly string[];
  /** How the file looked last, and when it was taken. */
  #seen: string | undefined;
  #taken: string | undefined;

  /** `others` are taken with it, when none of them changes any more. */
  constructor(path: string, ...others: readonly string[]) {
    this.path = path;
    this.#others = others;
  }

  /**
   * What `read` makes of the file when it has changed for good, or, with `anew`, in any case; undefined when there is
   * nothing to take. `read` rejects for a state that is not to be taken, and is asked again at the next look.
   */
  async look<Value extends object>(
    read: (isThere: boolean) => Promise<Value>,
    anew = false,
  ): Promise<Value | undefined> {
    if (anew) this.#taken = undefined;
    const found = await this.#signature();
    if (found === this.#taken) return undefined;
    const isSettled = anew || found === this.#seen;
    this.#seen = found;
    if (!isSettled) return undefined;
    const value = await read(!found.startsWith(NONE));
    // What was read is of this look only if the file has not changed meanwhile
    if ((await this.#signature()) !== found) return undefined;
    this.#taken = found;
    return value;
  }

  async #signature(): Promise<string> {
    const all = await Promise.all([this.path, ...this.#others].map(signature));
    return all.join(', ');
  }
}

/** What changes when a file is written, replaced or taken away. */
async function signature(path: string): Promise<string> {
  try {
    const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [ino, size, mtimeNs, ctimeNs].join(' ');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? NONE : String(code);
  }
}
