/**
 * A log as JSON lines, appended: of exposures, and of who changed what. Whoever rotates it renames it and sends SIGHUP; the
 * next records go to a new one. After a write that failed the file is opened anew, and a line that was cut short is ended
 * first.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { syncPath } from '../storage/sync-path.ts';

/** Records that are made into text in one turn of the event loop. */
const CHUNK = 64;

export interface JsonLinesOptions {
  /** Whether a record is on the disk once it is written, and its file for the owner alone. */
  readonly isAudit?: boolean;
}

export class JsonLinesFile {
  readonly #path: string;
  readonly #isAudit: boolean;
  #handle: FileHandle | undefined;
  #isStale = false;
  #isTorn = false;

  private constructor(path: string, isAudit: boolean) {
    this.#path = path;
    this.#isAudit = isAudit;
  }

  /** Rejects as open(2) when the file cannot be written. */
  static async open(path: string, { isAudit = false }: JsonLinesOptions = {}): Promise<JsonLinesFile> {
    const file = new JsonLinesFile(path, isAudit);
    file.#handle = await file.#open();
    return file;
  }

  /** Appends records; one call at a time. Rejects as open(2) and write(2), with some of them written or none. */
  async write(records: readonly object[]): Promise<void> {
    try {
      if (this.#isStale) await this.#letGo();
      this.#handle ??= await this.#open();
      for (let start = 0; start < records.length; start += CHUNK) {
        await setImmediate();
        const lines = records.slice(start, start + CHUNK).map((record) => `${JSON.stringify(record)}\n`);
        const text = `${this.#isTorn ? '\n' : ''}${lines.join('')}`;
        this.#isTorn = true;
        await this.#handle.appendFile(text);
        this.#isTorn = false;
      }
      if (this.#isAudit) await this.#handle.datasync();
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

  async #open(): Promise<FileHandle> {
    const handle = await open(this.#path, 'a', this.#isAudit ? 0o600 : 0o666);
    if (this.#isAudit) await syncPath(dirname(this.#path));
    return handle;
  }

  async #letGo(): Promise<void> {
    this.#isStale = false;
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close().catch(() => {});
  }
}
