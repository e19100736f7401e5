/**
 * The mixer config of an index, `mixer.json` in its directory: read when the index is opened, and again when the file
 * has changed. It is looked at every now and then, which works on every file system and misses no rename; a change is
 * taken once two looks in a row have seen the same file, so that one that is half written, or gone for the blink of a
 * replacement, is not taken for the new state. A bad file leaves in force what was.
 */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { IndexConfig } from '../index/config.ts';
import { errorAt, NearpinError } from '../lib/errors.ts';
import { type MixerConfig, parseMixerConfig } from '../retrieval/mixer-config.ts';

/** Time between two looks. */
export const LOOK_MS = 500;
const FILE_NAME = 'mixer.json';
const BYTES_MAX = 4 * 1024 * 1024;
/** How a file looks that is not there. */
const NONE = 'none';

export interface MixerState {
  /** In force; undefined for the defaults. */
  readonly mixer: MixerConfig | undefined;
  /** Why the file as it is now is not in force. */
  readonly problem: NearpinError | undefined;
}

export class MixerFile {
  readonly #path: string;
  readonly #onChange: (state: MixerState) => void;
  #config: IndexConfig | undefined;
  #mixer: MixerConfig | undefined;
  /** How the file looked last, and when it was taken. */
  #seen: string | undefined;
  #taken: string | undefined;
  #looking: Promise<void> | undefined;

  /** `onChange` hears of every state that is taken. */
  constructor(indexDir: string, onChange: (state: MixerState) => void) {
    this.#path = join(indexDir, FILE_NAME);
    this.#onChange = onChange;
  }

  /**
   * Looks whether the file, or the config of the index that it is checked against, has changed. What no longer fits a new
   * config is not in force any more.
   */
  look(config: IndexConfig): Promise<void> {
    this.#looking ??= this.#look(config).finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #look(config: IndexConfig): Promise<void> {
    const isNew = !isDeepStrictEqual(config, this.#config);
    if (isNew) this.#mixer = this.#taken = undefined;
    this.#config = config;
    const found = await signature(this.#path);
    if (found === this.#taken) return;
    const isSettled = isNew || found === this.#seen;
    this.#seen = found;
    if (!isSettled) return;

    let mixer = this.#mixer;
    let problem: NearpinError | undefined;
    try {
      mixer = found === NONE ? undefined : parseMixerConfig(await readJson(this.#path), config);
    } catch (error) {
      if (!(error instanceof NearpinError)) throw error;
      problem = error;
    }
    // What was read is of this look only if the file has not changed meanwhile
    if ((await signature(this.#path)) !== found) return;
    this.#mixer = mixer;
    this.#taken = found;
    this.#onChange({ mixer: this.#mixer, problem });
  }
}

/** The mixer config in an index's directory as it stands, unchecked; undefined when there is none. Throws bad_config or io_error. */
export async function readMixerFile(indexDir: string): Promise<unknown> {
  const path = join(indexDir, FILE_NAME);
  return (await signature(path)) === NONE ? undefined : readJson(path);
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
