/** What was checked and is believed until a moment: so many at most, of which the oldest make room. */

interface Entry<Value> {
  readonly value: Value;
  readonly untilMs: number;
}

export class Believed<Value> {
  readonly #max: number;
  /** The oldest first. */
  readonly #entries = new Map<string, Entry<Value>>();

  constructor(max: number) {
    this.#max = max;
  }

  get(key: string, nowMs: number): Value | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || nowMs < entry.untilMs) return entry?.value;
    this.#entries.delete(key);
    return undefined;
  }

  set(key: string, value: Value, untilMs: number): void {
    this.#entries.delete(key);
    if (this.#entries.size >= this.#max) this.#entries.delete(this.#entries.keys().next().value!);
    this.#entries.set(key, { value, untilMs });
  }
}
