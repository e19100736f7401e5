/**
 * The file of exposures: JSON lines, appended. Whoever rotates it renames it and sends SIGHUP; the next records go to a
 * new one. After a write that failed the file is opened anew, and a line that was cut short is ended first.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import type { LogRecord } from '../retrieval/experiments/exposure.ts';

/** Records that are made into text in one turn of the event loop. */
const CHUNK = 64;

export class ExposureFile {
  readonly #path: string;
  #handle: FileHandle | undefined;
  #isStale = false;
  #isTorn = false;

  private constructor(path: string, handle: FileHandle) {
    this.#path = path;
    this.#handle = handle;
  }

  /** Rejects as open(2) when the file cannot be written. */
  static async open(path: string): Promise<ExposureFile> {
    return new ExposureFile(path, await open(path, 'a'));
  }

  /** Appends records; one call at a time. Rejects as open(2) and write(2), with some of them written or none. */
  async write(records: readonly LogRecord[]): Promise<void> {
    try {
      if (this.#isStale) await this.#letGo();
      this.#handle ??= await open(this.#path, 'a');
      for (let start = 0; start < records.length; start += CHUNK) {
        await setImmediate();
        const lines = records.slice(start, start + CHUNK).map((record) => `${JSON.stringify(record)}\n`);
        const text = `${this.#isTorn ? '\n' : ''}${lines.join('')}`;
        this.#isTorn = true;
        await this.#handle.appendFile(text);
        this.#isTorn = false;
      }
    } catch (error) {
      await this.#letGo();
      throw error;
    }
  }

  /** The next records go to whatever file has the name then. */
  reopen(): void {
    this.#isStale = true;
  }

  async close(): Promise<void> {
    await this.#letGo();
  }

  async #letGo(): Promise<void> {
    this.#isStale = false;
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close().catch(() => {});
  }
}
