/**
 * Who changed what: a record for every call that writes or administers, and for every request that was not let in. The
 * answer to a call waits until its record is on the disk, so records stand in the order of the answers and none that was
 * given lacks one. While the log cannot be written such calls are refused before they do anything, and what was under
 * way is kept until it can. A flood of refused requests may not stop the service: what finds no room is counted, and the
 * log says how many there were.
 */

/** What a record tells; never a key, a vector or a payload. */
export interface AuditRecord {
  readonly kind: 'call' | 'refused';
  /** Epoch ms. */
  readonly at: number;
  readonly requestId: string;
  /** What the principal is, and its id; null where nobody was known. */
  readonly by: 'anyone' | 'key' | 'token' | null;
  readonly who: string | null;
  /** Address of the other end of the connection. */
  readonly from: string;
  readonly method: string;
  /** Pattern of the route; null where there is none. */
  readonly route: string | null;
  readonly index?: string;
  readonly alias?: string;
  /** The generation that was to be published. */
  readonly generation?: string;
  /** Pins of the request. */
  readonly pins?: number;
  readonly status: number;
  /** Of a request that was not let in. */
  readonly code?: string;
}

/** So many refused requests were not recorded. */
export interface DropRecord {
  readonly kind: 'dropped';
  readonly at: number;
  readonly refused: number;
}

export const WAITING_CALLS_MAX = 10_000;
export const WAITING_REFUSED_MAX = 1_000;
/** Between two attempts while the log cannot be written. */
const RETRY_MS = 1_000;

export interface AuditOptions {
  /** Puts records on the disk, in this order; some of them may be there when it rejects. */
  readonly write: (records: readonly (AuditRecord | DropRecord)[]) => Promise<void>;
  /** Epoch ms. */
  readonly clock: () => number;
  /** Hears of the first write that fails after one that did not, and, with undefined, of the next that does not. */
  readonly onFailure: (error: unknown) => void;
}

export interface AuditCounts {
  readonly written: number;
  readonly dropped: number;
  readonly waiting: number;
}

export class AuditLog {
  readonly #options: AuditOptions;
  #waiting: AuditRecord[] = [];
  /** The batch that is being written, or was; it never rejects. */
  #current: Promise<void> = Promise.resolve();
  /** The batch after it, which takes what comes until it begins. */
  #next: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #written = 0;
  #dropped = 0;
  /** Dropped, and not said in the log yet. */
  #unsaid = 0;
  #isFailing = false;

  constructor(options: AuditOptions) {
    this.#options = options;
  }

  /** Whether calls may go on: their records can be kept. */
  get isReady(): boolean {
    return !this.#isFailing && this.#waiting.length < WAITING_CALLS_MAX;
  }

  /** Resolves when the record is on the disk, or when that has failed and it is kept for later; never rejects. */
  record(record: AuditRecord): Promise<void> {
    this.#waiting.push(record);
    return this.#enqueue();
  }

  /** Takes the record of a refused request, or counts it; never waits. */
  refused(record: AuditRecord): void {
    if (this.#waiting.length < WAITING_REFUSED_MAX) {
      this.#waiting.push(record);
      void this.#enqueue();
    } else this.omit();
  }

  /** Counts a refused request that is to have no record, because many like it have one. */
  omit(): void {
    this.#dropped++;
    this.#unsaid++;
  }

  counts(): AuditCounts {
    return { written: this.#written, dropped: this.#dropped, waiting: this.#waiting.length };
  }

  /** Writes what waits, also where that has failed just now; returns how many records still wait. */
  async flush(): Promise<number> {
    await (this.#next ?? this.#current);
    this.#current = this.#write();
    await this.#current;
    return this.#waiting.length;
  }

  #enqueue(): Promise<void> {
    this.#next ??= this.#current.then(() => {
      this.#next = undefined;
      this.#current = this.#isFailing ? Promise.resolve() : this.#write();
      return this.#current;
    });
    return this.#next;
  }

  async #write(): Promise<void> {
    const { write, clock, onFailure } = this.#options;
    const records = this.#waiting;
    if (records.length === 0) return;
    const unsaid = this.#unsaid;
    const dropped: DropRecord[] = unsaid > 0 ? [{ kind: 'dropped', at: clock(), refused: unsaid }] : [];
    this.#waiting = [];
    try {
      await write([...records, ...dropped]);
      this.#written += records.length;
      this.#unsaid -= unsaid;
      if (this.#isFailing) onFailure(undefined);
      this.#isFailing = false;
    } catch (error) {
      this.#waiting = [...records, ...this.#waiting];
      if (!this.#isFailing) onFailure(error);
      this.#isFailing = true;
      clearTimeout(this.#retry);
      this.#retry = setTimeout(() => {
        this.#current = this.#current.then(() => this.#write());
      }, RETRY_MS);
      this.#retry.unref();
    }
  }
}
