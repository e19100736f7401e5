/**
 * Requests per second of each key, by the generic cell rate algorithm (ITU-T I.371), which is a token bucket that is kept
 * as one number: the moment at which the bucket will be full again. A bucket holds what comes in a second.
 *
 * Memory is bounded: keys are kept in two generations, and when the young one is full the old one is forgotten, so a key
 * that is forgotten, and so has its bucket filled, has made no request while many others did.
 */

/** Of one generation. */
const KEYS_MAX = 10_000;

export class RateLimiter {
  readonly #tokenMs: number;
  readonly #bucketMs: number;
  readonly #keysMax: number;
  /** When each bucket is full again, in milliseconds. */
  #young = new Map<string, number>();
  #old = new Map<string, number>();

  /** @param perSecond requests of a key, over 0 @param keysMax of a generation */
  constructor(perSecond: number, keysMax = KEYS_MAX) {
    this.#tokenMs = 1000 / perSecond;
    // A bucket smaller than a token would never give one
    this.#bucketMs = Math.max(1000, this.#tokenMs);
    this.#keysMax = keysMax;
  }

  /**
   * Takes a token of a key's bucket.
   * @param nowMs of a clock that never goes back
   * @returns 0, or how many milliseconds it is until there is a token; none is taken then
   */
  take(key: string, nowMs: number): number {
    const fullAtMs = this.#fullAtMs(key, nowMs);
    const waitMs = this.#waitMs(fullAtMs, nowMs);
    if (waitMs > 0) return waitMs;
    this.#young.set(key, fullAtMs);
    if (this.#young.size > this.#keysMax) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    return 0;
  }

  /** How many milliseconds it is until there is a token in a key's bucket, which is left there; 0 while there is one. */
  waitMs(key: string, nowMs: number): number {
    return this.#waitMs(this.#fullAtMs(key, nowMs), nowMs);
  }

  /** When a key's bucket is full again if a token is taken now. */
  #fullAtMs(key: string, nowMs: number): number {
    return Math.max(nowMs, this.#young.get(key) ?? this.#old.get(key) ?? 0) + this.#tokenMs;
  }

  #waitMs(fullAtMs: number, nowMs: number): number {
    return Math.max(0, fullAtMs - nowMs - this.#bucketMs);
  }
}

/** What stands for a client that has no key: its address, or the /64 network of an IPv6 address, which is one client's. */
export function networkOf(address: string): string {
  if (!address.includes(':') || address.includes('.')) return address;
  const [head = '', tail] = address.split('::', 2);
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const after = tail === '' ? [] : tail.split(':');
    while (groups.length + after.length < 8) groups.push('0');
    groups.push(...after);
  }
  return groups.slice(0, 4).join(':');
}
