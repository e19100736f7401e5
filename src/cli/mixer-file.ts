/**
 * The mixer config of an index, `mixer.json` in its directory: read when the index is opened, and again when the file
 * has changed. A bad file leaves in force what was.
 */
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { IndexConfig } from '../index/config.ts';
import { NearpinError } from '../lib/errors.ts';
import { type MixerConfig, parseMixerConfig } from '../retrieval/mixer-config.ts';
import { readJson, readJsonIfThere } from './json-file.ts';
import { WatchedFile } from './watched-file.ts';

const FILE_NAME = 'mixer.json';

export interface MixerState {
  /** In force; undefined for the defaults. */
  readonly mixer: MixerConfig | undefined;
  /** Why the file as it is now is not in force. */
  readonly problem: NearpinError | undefined;
}

export class MixerFile {
  readonly #file: WatchedFile;
  readonly #onChange: (state: MixerState) => void;
  #config: IndexConfig | undefined;
  #mixer: MixerConfig | undefined;
  #looking: Promise<void> | undefined;

  /** `onChange` hears of every state that is taken. */
  constructor(indexDir: string, onChange: (state: MixerState) => void) {
    this.#file = new WatchedFile(join(indexDir, FILE_NAME));
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
    if (isNew) this.#mixer = undefined;
    this.#config = config;
    const state = await this.#file.look((isThere) => this.#read(isThere, config), isNew);
    if (state === undefined) return;
    this.#mixer = state.mixer;
    this.#onChange(state);
  }

  async #read(isThere: boolean, config: IndexConfig): Promise<MixerState> {
    try {
      const mixer = isThere ? parseMixerConfig(await readJson(this.#file.path), config) : undefined;
      return { mixer, problem: undefined };
    } catch (problem) {
      if (!(problem instanceof NearpinError)) throw problem;
      return { mixer: this.#mixer, problem };
    }
  }
}

/** The mixer config in an index's directory as it stands, unchecked; undefined when there is none. Throws bad_config or io_error. */
export const readMixerFile = (indexDir: string): Promise<unknown> =>
  readJsonIfThere(join(indexDir, FILE_NAME));
