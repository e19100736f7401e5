/**
 * How much is taken in: as many requests at a time as are answered within a bounded wait. By Little's law what is in
 * flight, over the rate at which it is answered, is how long it waits; so the bound follows from the rate as it was
 * measured last. What is over the bound can be refused at once, before its body is read, and what is taken in is
 * answered while it is still of use to who asked. A burst may wait for as long as that; a queue that stands is cut to a part
 * of it, since it delays everybody, helps nobody, and what waits is cold when its turn comes (after Nichols and Jacobson,
 * Controlling Queue Delay, 2012). docs/decisions/0018-overload.md has what was tried.
 */

/** Time with work to do over which the rate is measured. */
const WINDOW_MS = 50;
/** Of the longest wait, what a queue that stands may cost. */
const STANDING_PART = 1 / 5;
/** A queue stands for so long after it was full. */
const STANDS_MS = 500;
/**
 * What keeps threads filled, in multiples of `minInFlight`, while an event loop that refuses comes by seldom. So much of a burst
 * is taken in at least, since a server that has just started is slow at first; and of a queue that stands where it is answered
 * within the longest wait: with less, less is answered, so that even less would be taken in.
 */
const FILLED = 4;

export interface AdmissionOptions {
  /** How long a request may be expected to wait, in milliseconds. */
  readonly maxWaitMs: number;
  /** Requests in flight that are taken in however long they wait: fewer would leave search threads idle. Up to `maxInFlight`. */
  readonly minInFlight: number;
  /** Requests in flight at most; at least `minInFlight`. */
  readonly maxInFlight: number;
}

/** Counts the requests that are being answered, and says when there are enough of them. */
export class Admission {
  readonly #options: AdmissionOptions;
  #limit: number;
  #burstLimit: number;
  #inFlight = 0;
  /** Answers per millisecond with work to do; Infinity while it is not known. */
  #rate = Number.POSITIVE_INFINITY;
  /** Of this window: answers, and time with work to do up to `busySince`. */
  #answered = 0;
  #busyMs = 0;
  /** Counted up to then; when the last one ended, while there is no work to do. */
  #busySinceMs = 0;
  /** When there last was no room. */
  #fullAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.#limit = options.minInFlight;
    this.#burstLimit = options.maxInFlight;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Requests in flight beyond which none is taken in, but in bursts. */
  get limit(): number {
    return this.#limit;
  }

  /** Whether any request finds room. */
  get hasRoom(): boolean {
    return this.#inFlight < this.#options.minInFlight;
  }

  /**
   * Whether there is no room for a request.
   * @param nowMs of the clock that `began` and `ended` are told, which never goes back
   * @param patienceMs for which who asks would wait, Infinity for one that does not say
   */
  isFull(nowMs: number, patienceMs: number): boolean {
    if (this.hasRoom) return false;
    const stands = nowMs - this.#fullAtMs < STANDS_MS;
    if (this.#inFlight < (stands ? this.#limit : this.#burstLimit))
      return this.#inFlight > patienceMs * this.#rate;
    this.#fullAtMs = nowMs;
    return true;
  }

  /** A request is taken in. */
  began(nowMs: number): void {
    if (this.#inFlight++ === 0) this.#busySinceMs = nowMs;
  }

  /** One that was taken in was answered, or failed. */
  ended(nowMs: number): void {
    this.#inFlight--;
    this.#answered++;
    this.#busyMs += nowMs - this.#busySinceMs;
    this.#busySinceMs = nowMs;
    if (this.#busyMs >= WINDOW_MS) this.#endWindow();
  }

  #endWindow(): void {
    const rate = this.#answered / this.#busyMs;
    this.#rate = Number.isFinite(this.#rate) ? (this.#rate + rate) / 2 : rate;
    this.#answered = 0;
    this.#busyMs = 0;
    const { maxWaitMs, minInFlight, maxInFlight } = this.#options;
    const within = (waitMs: number, least: number) =>
      Math.min(maxInFlight, Math.max(least, Math.floor(this.#rate * waitMs)));
    const filled = FILLED * minInFlight;
    this.#burstLimit = within(maxWaitMs, filled);
    this.#limit = within(maxWaitMs * STANDING_PART, Math.min(filled, within(maxWaitMs, minInFlight)));
  }

  /** Has `run` counted while it goes on. */
  async during<Result>(clock: () => number, run: () => Promise<Result>): Promise<Result> {
    this.began(clock());
    try {
      return await run();
    } finally {
      this.ended(clock());
    }
  }
}
