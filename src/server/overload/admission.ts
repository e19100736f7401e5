/**
 * How much is taken in: as many requests at a time as are answered within a bounded wait. By Little's law what is in
 * flight, over the rate at which it is answered, is how long it waits; so the bound follows from the rate as it was
 * measured last. What is over the bound can be refused at once, before its body is read, and what is taken in is
 * answered while it is still of use to who asked. A burst is not overload: for a moment after it was idle, a server takes
 * more than it could answer for long (after Nichols and Jacobson, Controlling Queue Delay, 2012: a queue is bad when it
 * stands). docs/decisions/0018-overload.md has what was tried.
 */

/** Time with work to do over which the rate is measured. */
const WINDOW_MS = 50;
/** Time after it was idle in which only the greatest number in flight bounds what is taken in. */
const BURST_MS = 500;

export interface AdmissionOptions {
  /** How long a request may be expected to wait, in milliseconds. */
  readonly maxWaitMs: number;
  /** Requests in flight that are taken in however long they wait: fewer would leave search threads idle. */
  readonly minInFlight: number;
  /** Requests in flight at most; at least `minInFlight`. */
  readonly maxInFlight: number;
}

/** Counts the requests that are being answered, and says when there are enough of them. */
export class Admission {
  readonly #options: AdmissionOptions;
  #limit: number;
  #inFlight = 0;
  /** Answers per millisecond with work to do; Infinity while it is not known. */
  #rate = Number.POSITIVE_INFINITY;
  /** Of this window: answers, and time with work to do up to `busySince`. */
  #answered = 0;
  #busyMs = 0;
  /** Of use while there is work to do. */
  #busySinceMs = 0;
  #idleUntilMs = 0;

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.#limit = options.minInFlight;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Requests in flight beyond which none is taken in, but for bursts. */
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
    const { maxInFlight } = this.#options;
    if (this.hasRoom) return false;
    const isBurst = nowMs - this.#idleUntilMs <= BURST_MS;
    return (
      this.#inFlight >= (isBurst ? maxInFlight : this.#limit) || this.#inFlight > patienceMs * this.#rate
    );
  }

  /** A request is taken in. */
  began(nowMs: number): void {
    if (this.#inFlight++ > 0) return;
    this.#busySinceMs = nowMs;
    this.#idleUntilMs = nowMs;
  }

  /** It was answered, or failed. */
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
    this.#limit = Math.max(minInFlight, Math.min(maxInFlight, Math.floor(this.#rate * maxWaitMs)));
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
