/**
 * Time of a distance: the core's kernels on stored vectors that are in the nearest cache, and on vectors anywhere in a
 * large region, where a search finds them. Each call crosses from JavaScript, whose cost is measured as well.
 */
import { createShard, Shard } from '../../src/core/shard.ts';
import { wasm } from '../../src/core/webassembly.ts';
import { resolveConfig } from '../../src/index/config.ts';
import { Prng } from '../../src/lib/prng.ts';
import { median } from '../../src/lib/quantile.ts';
import { blockShapeFor, shardConfigOf } from '../../src/shards/shard-config.ts';
import { readCoreBinary } from '../../src/storage/core-binary.ts';
import type { KernelTask, KernelTime } from './protocol.ts';

const PAGE = 65536;
const HOT_VECTORS = 8;
const REPEATS = 7;

/**
 * A kernel: the bytes of a stored vector, and one call on the query at `q` and the vector at `v`; where a call takes more than
 * one, on those whose addresses stand at `v`.
 */
interface Kernel {
  readonly name: string;
  readonly vectorBytes: (dim: number) => number;
  /** Distances of a call. */
  readonly vectors: number;
  readonly call: (f: Callable, q: number, v: number, n: number, out: number) => void;
}

type Callable = (...args: number[]) => unknown;

const padded = (dim: number) => Math.ceil(dim / 16) * 16;

/** By the core's export; one that this core does not have is left out. */
const KERNELS: readonly Kernel[] = [
  { name: 'np_dot_f32', vectorBytes: (dim) => dim * 4, vectors: 1, call: (f, q, v, n) => f(q, v, n) },
  { name: 'np_l2_f32', vectorBytes: (dim) => dim * 4, vectors: 1, call: (f, q, v, n) => f(q, v, n) },
  { name: 'np_dot_i8', vectorBytes: padded, vectors: 1, call: (f, q, v, n) => f(q, v, padded(n)) },
  {
    name: 'np_dots_i8',
    vectorBytes: padded,
    vectors: 32,
    call: (f, q, v, n, out) => f(q, v, 32, n, out),
  },
  {
    name: 'np_dot_i10',
    vectorBytes: (dim) => padded(dim) + Math.ceil(dim / 64) * 16,
    vectors: 1,
    call: (f, q, v, n) => f(q, v, v + padded(n), padded(n)),
  },
  {
    name: 'np_dot_i4',
    vectorBytes: (dim) => padded(dim) / 2,
    vectors: 1,
    call: (f, q, v, n) => f(q, v, padded(n)),
  },
];

export function timeKernels({ dim, regionBytes, calls }: KernelTask): KernelTime[] {
  const module = new wasm.Module(readCoreBinary());
  const config = resolveConfig({ dim, metric: 'cosine' });
  const memory = createShard(module, shardConfigOf(config, blockShapeFor(config, 16, 0)), { readers: 1 });
  const { exports } = new Shard(module, memory, 0);
  // Beyond what the shard knows of
  const tableBytes = calls * Math.max(...KERNELS.map((kernel) => kernel.vectors)) * 4;
  const query = memory.grow(Math.ceil(regionBytes / PAGE) + Math.ceil(tableBytes / PAGE) + 1) * PAGE;
  const out = query + PAGE / 2;
  const region = query + PAGE;
  const table = region + Math.ceil(regionBytes / PAGE) * PAGE;
  const prng = new Prng(1);
  new Uint8Array(memory.buffer, query, PAGE + regionBytes).fill(1);
  return KERNELS.flatMap((kernel): KernelTime[] => {
    const f = (exports as unknown as Record<string, Callable | undefined>)[kernel.name];
    if (!f) return [];
    const vectorBytes = kernel.vectorBytes(dim);
    const slots = Math.floor(regionBytes / vectorBytes) - 1;
    const places = (count: number) => {
      const addresses = Uint32Array.from(
        { length: calls * kernel.vectors },
        () => region + prng.below(count) * vectorBytes,
      );
      if (kernel.vectors === 1) return addresses;
      new Uint32Array(memory.buffer, table, addresses.length).set(addresses);
      return Uint32Array.from({ length: calls }, (_, i) => table + i * kernel.vectors * 4);
    };
    const time = (addresses: Uint32Array) => {
      const start = performance.now();
      for (const address of addresses) kernel.call(f, query, address, dim, out);
      return ((performance.now() - start) * 1e6) / (calls * kernel.vectors);
    };
    const measured = (count: number) =>
      median(Array.from({ length: REPEATS }, () => time(places(count))).slice(1));
    return [{ kernel: kernel.name, vectorBytes, hotNs: measured(HOT_VECTORS), randomNs: measured(slots) }];
  });
}
