/**
 * Seeded pseudo-random numbers: SplitMix64 (Steele, Lea and Flood, 2014) seeds, xoshiro128** (Blackman and
 * Vigna, 2018) runs. The same seed gives the same sequence on every platform and Node version.
 */
export class Prng {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(seed: number | bigint) {
    let z = BigInt.asUintN(64, BigInt(seed));
    const next = (): bigint => {
      z = BigInt.asUintN(64, z + 0x9e3779b97f4a7c15n);
      let x = z;
      x = BigInt.asUintN(64, (x ^ (x >> 30n)) * 0xbf58476d1ce4e5b9n);
      x = BigInt.asUintN(64, (x ^ (x >> 27n)) * 0x94d049bb133111ebn);
      return x ^ (x >> 31n);
    };
    const first = next();
    const second = next();
    this.#a = Number(first & 0xffffffffn);
    this.#b = Number(first >> 32n);
    this.#c = Number(second & 0xffffffffn);
    this.#d = Number(second >> 32n) || 1;
  }

  /** A whole number in [0, 2^32). */
  u32(): number {
    const product = Math.imul(this.#b, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const t = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= t;
    this.#d = (this.#d << 11) | (this.#d >>> 21);
    return result;
  }

  /** A number in [0, 1) with 32 random bits. */
  float(): number {
    return this.u32() / 0x1_0000_0000;
  }

  /** A whole number in [0, n), without modulo bias worth speaking of for n far below 2^32. */
  below(n: number): number {
    return Math.floor(this.float() * n);
  }

  /** A standard normal number (Box and Muller, 1958). */
  normal(): number {
    const u = 1 - this.float();
    return Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * this.float());
  }

  /** The whole numbers below n in any order, each equally likely (Fisher and Yates). */
  permutation(n: number): Uint32Array {
    const numbers = Uint32Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [numbers[i], numbers[j]] = [numbers[j]!, numbers[i]!];
    }
    return numbers;
  }

  /** One of the items, each equally likely. The list must not be empty. */
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }
}
