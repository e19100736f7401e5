/**
 * A file of lines that a long job writes and can go on with. While it is not whole it is named `….part`, beside a
 * note of what it is made from; a part that an interrupted process left is taken up again where its last whole line ends,
 * if the note says that it was made from the same.
 */
import { type FileHandle, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileError } from './file-error.ts';
import { syncPath } from './sync-path.ts';

/** Lines that are held back before they are written together. */
const BUFFERED_LINES = 256;
const CHUNK_BYTES = 1024 * 1024;
const LINE_FEED = 0x0a;

export class ResumableLines {
  readonly #path: string;
  readonly #file: FileHandle;
  #lines: number;
  #buffered: string[] = [];

  private constructor(path: string, file: FileHandle, lines: number) {
    this.#path = path;
    this.#file = file;
    this.#lines = lines;
  }

  /**
   * Opens the part of a file, anew or where it was left. @param madeFrom tells apart what lines are made of; a part that
   * was made of something else is begun anew. Throws io_error.
   */
  static async open(path: string, madeFrom: string): Promise<ResumableLines> {
    const [part, note] = [`${path}.part`, `${path}.part.from`];
    try {
      const before = await readFile(note, 'utf8').catch(() => undefined);
      if (before !== madeFrom) {
        await rm(part, { force: true });
        await writeFile(note, madeFrom, { flush: true });
      }
      const file = await open(part, before === madeFrom ? 'a+' : 'w+');
      const { lines, bytes } = await wholeLines(file);
      await file.truncate(bytes);
      return new ResumableLines(path, file, lines);
    } catch (error) {
      throw fileError(error, path);
    }
  }

  /** Lines that it has, those of an earlier process among them. */
  get lines(): number {
    return this.#lines;
  }

  /** Adds a line, which must not hold a line feed. Throws io_error or disk_full. */
  async add(line: string): Promise<void> {
    this.#buffered.push(line);
    this.#lines++;
    if (this.#buffered.length >= BUFFERED_LINES) await this.#flush();
  }

  /** Writes what is held back and closes the part, to be gone on with. */
  async leave(): Promise<void> {
    try {
      await this.#flush();
    } finally {
      await this.#file.close();
    }
  }

  /** Gives the whole file its name, durably. */
  async finish(): Promise<void> {
    try {
      await this.#flush();
      await this.#file.sync();
      await this.#file.close();
      await rename(`${this.#path}.part`, this.#path);
      await rm(`${this.#path}.part.from`, { force: true });
      await syncPath(dirname(this.#path));
    } catch (error) {
      throw fileError(error, this.#path);
    }
  }

  async #flush(): Promise<void> {
    if (this.#buffered.length === 0) return;
    const text = `${this.#buffered.join('\n')}\n`;
    this.#buffered = [];
    try {
      await this.#file.appendFile(text);
    } catch (error) {
      throw fileError(error, this.#path);
    }
  }
}

/** How many lines end with a line feed, and how many bytes those are. */
async function wholeLines(file: FileHandle): Promise<{ lines: number; bytes: number }> {
  const chunk = Buffer.alloc(CHUNK_BYTES);
  let lines = 0;
  let bytes = 0;
  for (let position = 0; ; ) {
    const { bytesRead } = await file.read(chunk, 0, CHUNK_BYTES, position);
    if (bytesRead === 0) return { lines, bytes };
    for (
      let at = chunk.indexOf(LINE_FEED);
      at !== -1 && at < bytesRead;
      at = chunk.indexOf(LINE_FEED, at + 1)
    ) {
      lines++;
      bytes = position + at + 1;
    }
    position += bytesRead;
  }
}
