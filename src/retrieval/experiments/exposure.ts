/**
 * What is known of an experiment afterwards: a record for each unit, experiment and request whose code path ran, and
 * one for each shadow. They wait in a bounded buffer and are written behind the requests; what finds it full, or
 * cannot be written, is counted and lost, for no answer ever waits for its record.
 */
import type { Assigned } from './assign.ts';

/** A hit as records keep it. */
export interface LoggedHit {
  readonly id: string;
  readonly source?: string;
  readonly team?: string;
}

/** What a record tells of one side of a request. */
export interface LoggedAnswer {
  readonly index: string;
  readonly generation: string;
  readonly model: string | null;
  readonly hits: readonly LoggedHit[];
  readonly tookMs: number;
}

interface LoggedRequest extends LoggedAnswer {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly requestId: string;
  readonly surface: string;
  readonly unit?: string;
}

export interface ExposureRecord extends LoggedRequest, Assigned {
  readonly kind: 'exposure';
}

export interface ShadowRecord extends LoggedRequest {
  readonly kind: 'shadow';
  /** Name of the shadow. */
  readonly name: string;
  /** Share of the hits that both answers have, of as many as the longer one has. */
  readonly overlap: number;
  readonly shadow: LoggedAnswer;
}

export type LogRecord = ExposureRecord | ShadowRecord;

/** Records that wait at most, and hits in them: about 16 MB of ids at their longest. */
export const WAITING_RECORDS_MAX = 10_000;
export const WAITING_HITS_MAX = 100_000;

export interface ExposureCounts {
  readonly written: number;
  /** Found the buffer full. */
  readonly dropped: number;
  /** Could not be written. */
  readonly failed: number;
  readonly waiting: number;
}

export class ExposureLog {
  readonly #write: (records: readonly LogRecord[]) => Promise<void>;
  readonly #onFailure: (error: unknown) => void;
  #waiting: LogRecord[] = [];
  #waitingHits = 0;
  #writing: Promise<void> | undefined;
  #written = 0;
  #dropped = 0;
  #failed = 0;
  #wasFailing = false;

  /** `onFailure` hears of the first write that fails after one that did not. */
  constructor(
    write: (records: readonly LogRecord[]) => Promise<void>,
    onFailure: (error: unknown) => void = () => {},
  ) {
    this.#write = write;
    this.#onFailure = onFailure;
  }

  /** Takes a record, or counts it as dropped; never waits and never throws. */
  record(record: LogRecord): void {
    const hits = hitsOf(record);
    if (this.#waiting.length >= WAITING_RECORDS_MAX || this.#waitingHits + hits > WAITING_HITS_MAX) {
      this.#dropped++;
      return;
    }
    this.#waiting.push(record);
    this.#waitingHits += hits;
    this.#writing ??= this.#drain();
  }

  counts(): ExposureCounts {
    const [written, dropped, failed] = [this.#written, this.#dropped, this.#failed];
    return { written, dropped, failed, waiting: this.#waiting.length };
  }

  /** Waits until everything that was taken has been written, or counted as failed. */
  async flush(): Promise<void> {
    while (this.#writing) await this.#writing;
  }

  async #drain(): Promise<void> {
    // What the same turn of the event loop brings is written together
    await undefined;
    while (this.#waiting.length > 0) {
      const records = this.#waiting;
      this.#waiting = [];
      this.#waitingHits = 0;
      try {
        await this.#write(records);
        this.#written += records.length;
        this.#wasFailing = false;
      } catch (error) {
        this.#failed += records.length;
        if (!this.#wasFailing) this.#onFailure(error);
        this.#wasFailing = true;
      }
    }
    this.#writing = undefined;
  }
}

const hitsOf = (record: LogRecord): number =>
  record.hits.length + (record.kind === 'shadow' ? record.shadow.hits.length : 0);

/** What records keep of an answer. */
export function loggedAnswer(index: string, answer: Omit<LoggedAnswer, 'index'>): LoggedAnswer {
  const { generation, model, tookMs } = answer;
  const hits = answer.hits.map(({ id, source, team }) => ({
    id,
    ...(source !== undefined && { source }),
    ...(team !== undefined && { team }),
  }));
  return { index, generation, model, tookMs, hits };
}
