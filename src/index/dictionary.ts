/**
 * Keywords as numbers: within each attribute, values have the codes 1, 2, 3 … in the order of their first
 * appearance. 0 is kept for "no value", so that the core needs no second flag. Codes are never reused.
 */
export class Dictionary {
  readonly #codes = new Map<string, Map<string, number>>();

  /** The code of a value, or 0 when the attribute has never had it. */
  codeOf(attribute: string, value: string): number {
    return this.#codes.get(attribute)?.get(value) ?? 0;
  }

  /** The code of a value, which is given the next one when it is new. */
  add(attribute: string, value: string): number {
    let codes = this.#codes.get(attribute);
    if (codes === undefined) {
      codes = new Map();
      this.#codes.set(attribute, codes);
    }
    const code = codes.get(value) ?? codes.size + 1;
    codes.set(value, code);
    return code;
  }

  /** Every attribute, value and code, code by code within an attribute; adding them in this order restores it. */
  *entries(): Generator<[attribute: string, value: string, code: number]> {
    for (const [attribute, codes] of this.#codes) {
      for (const [value, code] of codes) yield [attribute, value, code];
    }
  }
}
