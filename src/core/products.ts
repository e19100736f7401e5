/** Products of many vectors with one, by the core's kernel, in a memory that is theirs alone. */
import { LAYOUT as L } from './layout.ts';
import { type CoreExports, instantiate } from './shard.ts';
import { type WasmMemory, type WasmModule, wasm } from './webassembly.ts';

/** Room that is kept from one use to the next, 8 MiB: 2,048 vectors of 1,024 dimensions. */
const PAGES_KEPT = 128;

interface Room {
  readonly pages: number;
  readonly memory: WasmMemory;
  readonly core: CoreExports;
}

export class Products {
  readonly #module: WasmModule;
  #kept: Room | undefined;

  constructor(module: WasmModule) {
    this.#module = module;
  }

  /**
   * Readies vectors, f32[dim] each, for products with others.
   * @returns what gives f32[n], the product of each with an f32[dim], bit for bit `dotF32`; overwritten by its next call.
   * It is of no more use once others are readied.
   */
  of(vectors: readonly Float32Array[]): (x: Float32Array) => Float32Array {
    const n = vectors.length;
    const dim = vectors[0]?.length ?? 0;
    const padded = Math.ceil(dim / 4) * 4;
    // First the one, then the many, then their products
    const rowsAt = padded * 4;
    const outAt = rowsAt * (1 + n);
    const { memory, core } = this.#roomFor(outAt + n * 4);
    const { buffer } = memory;
    const floats = new Float32Array(buffer, 0, outAt / 4);
    // What pads the vectors of another length
    if (padded !== dim) floats.fill(0);
    for (let i = 0; i < n; i++) floats.set(vectors[i]!, (1 + i) * padded);
    const products = new Float32Array(buffer, outAt, n);
    return (x) => {
      floats.set(x);
      core.np_products(0, rowsAt, n, padded, outAt);
      return products;
    };
  }

  #roomFor(bytes: number): Room {
    const pages = Math.max(1, Math.ceil(bytes / L.NP_PAGE));
    if (this.#kept && this.#kept.pages >= pages) return this.#kept;
    const memory = new wasm.Memory({ initial: pages, maximum: pages, shared: true });
    const room = { pages, memory, core: instantiate(this.#module, memory) };
    if (pages <= PAGES_KEPT) this.#kept = room;
    return room;
  }
}
