/**
 * Keywords as numbers: within each attribute, values have the codes 1, 2, 3 … in the order of their first
 * appearance. 0 is kept for "no value", so that the core needs no second flag. Codes are never reused.
 */
export class Dictionary {
  readonly #attributes = new Map<string, { codes: Map<string, number>; values: string[] }>();

  /** The code of a value, or 0 when the attribute has never had it. */
  codeOf(attribute: string, value: string): number {
    return this.#attributes.get(attribute)?.codes.get(value) ?? 0;
  }

  /** The value of a code; undefined when the code is not given out. */
  valueOf(attribute: string, code: number): string | undefined {
    return this.#attributes.get(attribute)?.values[code - 1];
  }

  /** The code of a value, which is given the next one when it is new. */
  add(attribute: string, value: string): number {
    let entry = this.#attributes.get(attribute);
    if (entry === undefined) {
      entry = { codes: new Map(), values: [] };
      this.#attributes.set(attribute, entry);
    }
    const known = entry.codes.get(value);
    if (known !== undefined) return known;
    const code = entry.values.push(value);
    entry.codes.set(value, code);
    return code;
  }

  /** Every attribute, value and code, code by code within an attribute; adding them in this order restores it. */
  *entries(): Generator<[attribute: string, value: string, code: number]> {
    for (const [attribute, { values }] of this.#attributes) {
      for (const [i, value] of values.entries()) yield [attribute, value, i + 1];
    }
  }
}
