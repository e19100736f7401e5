/** Update logs seen from the thread that serves: the calls of log-worker.ts, which waits for the disk. */
import type { Transferable } from 'node:worker_threads';
import { NearpinError } from '../lib/errors.ts';
import { hasLog, type LogExtent, type LoggedUpdate } from '../storage/update-log.ts';
import type { LogCall, OpenAnswer, ReadAnswer } from './log-worker.ts';
import { Thread } from './thread.ts';

/** The log of one index, made with its first update. */
export class IndexLog {
  readonly #thread: Thread;
  /** By which the thread knows it: two openings of one log are two. */
  readonly #number: number;
  readonly #indexDir: string;
  readonly #readOnly: boolean;
  #opened: Promise<OpenAnswer> | undefined;

  constructor(thread: Thread, number: number, indexDir: string, readOnly: boolean) {
    this.#thread = thread;
    this.#number = number;
    this.#indexDir = indexDir;
    this.#readOnly = readOnly;
  }

  async #call<Answer>(call: LogCall, transfer: readonly Transferable[] = []): Promise<Answer> {
    try {
      return await this.#thread.call<Answer>(call, transfer);
    } catch (error) {
      // The thread has died, and with it what it had open: the next call opens it again
      if (error instanceof NearpinError && error.code === 'closed') this.#opened = undefined;
      throw error;
    }
  }

  #open(): Promise<OpenAnswer> {
    this.#opened ??= this.#call<OpenAnswer>({
      do: 'open',
      log: this.#number,
      indexDir: this.#indexDir,
      readOnly: this.#readOnly,
    });
    return this.#opened;
  }

  /** From and to where the log goes; undefined when there is none. Rejects with corrupt_file or io_error. */
  async extent(): Promise<LogExtent | undefined> {
    return hasLog(this.#indexDir) ? this.#open() : undefined;
  }

  /** Says that updates up to `seq` are held by a generation and were never here. Rejects with disk_full. */
  async startAfter(seq: number): Promise<void> {
    await this.#open();
    await this.#call({ do: 'start after', log: this.#number, seq });
  }

  /**
   * Resolves when the updates are on the disk, in one transaction. Their bytes, each in a buffer of its own, go along.
   * Rejects with disk_full; none of them is on the disk then.
   */
  async append(updates: readonly LoggedUpdate[]): Promise<void> {
    if (!this.#opened) await this.#make();
    const buffers = updates.map(({ bytes }) => bytes.buffer as ArrayBuffer);
    await this.#call({ do: 'append', log: this.#number, updates }, buffers);
  }

  async #make(): Promise<void> {
    try {
      await this.#open();
    } catch (error) {
      this.#opened = undefined;
      throw error;
    }
  }

  /** Takes updates out of the log again, durably. Rejects with disk_full. */
  async takeBack(seqs: readonly number[]): Promise<void> {
    if (!this.#opened) await this.#make();
    await this.#call({ do: 'take back', log: this.#number, seqs });
  }

  /**
   * Updates after `after` up to `last`, at least one if there are any, the numbers of those that are damaged, and up to
   * where it looked.
   */
  async read(after: number, last: number, bytesMax: number): Promise<ReadAnswer> {
    await this.#open();
    return this.#call({ do: 'read', log: this.#number, after, last, bytesMax });
  }

  /** Forgets updates up to `seq`. Rejects with disk_full. */
  async trim(seq: number): Promise<void> {
    if (this.#opened) await this.#call({ do: 'trim', log: this.#number, seq });
  }

  /** Puts a damaged log out of the way; resolves to its new name. Rejects with io_error. */
  setAside(): Promise<string> {
    this.#opened = undefined;
    return this.#call({ do: 'set aside', log: this.#number, indexDir: this.#indexDir });
  }

  async close(): Promise<void> {
    if (this.#opened) await this.#call({ do: 'close', log: this.#number });
  }
}

/** The thread of all logs of a process; it starts with the first one that is opened. */
export class LogThread {
  readonly #thread = new Thread(new URL('./log-worker.js', import.meta.url), undefined);

  #logs = 0;

  /** @param readOnly the log is neither made nor changed */
  logOf(indexDir: string, readOnly: boolean): IndexLog {
    return new IndexLog(this.#thread, this.#logs++, indexDir, readOnly);
  }

  close(): Promise<void> {
    return this.#thread.close();
  }
}
